# SPDX-License-Identifier: Apache-2.0
"""Network namespaces, peers and nodes in which Sallyport is demonstrated and tested."""
