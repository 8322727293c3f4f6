# SPDX-License-Identifier: Apache-2.0
"""AES in counter and Galois mode from the system's libcrypto; Python's own library has no cipher."""
import ctypes

_crypto = ctypes.CDLL("libcrypto.so.3")
for _name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_ctr", "EVP_aes_256_ctr",
              "EVP_aes_128_gcm", "EVP_aes_256_gcm"):
    getattr(_crypto, _name).restype = ctypes.c_void_p

_GCM_GET_TAG = 0x10
_GCM_SET_TAG = 0x11
GCM_TAG_BYTES = 16


class CipherFailed(RuntimeError):
    """libcrypto refused, which for Galois mode on opening means: the tag does not verify."""


class _Context:
    """One EVP_CIPHER_CTX for one message."""

    def __init__(self, cipher, key, iv, encrypt):
        self._handle = ctypes.c_void_p(_crypto.EVP_CIPHER_CTX_new())
        self._must(_crypto.EVP_CipherInit_ex(self._handle, ctypes.c_void_p(cipher), None,
                                             key, iv, int(encrypt)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _crypto.EVP_CIPHER_CTX_free(self._handle)

    def update(self, data):
        out = ctypes.create_string_buffer(len(data) + 16)
        size = ctypes.c_int()
        self._must(_crypto.EVP_CipherUpdate(self._handle, out, ctypes.byref(size),
                                            data, len(data)))
        return out.raw[:size.value]

    def authenticate(self, data):
        size = ctypes.c_int()
        self._must(_crypto.EVP_CipherUpdate(self._handle, None, ctypes.byref(size),
                                            data, len(data)))

    def set_tag(self, tag):
        self._must(_crypto.EVP_CIPHER_CTX_ctrl(self._handle, _GCM_SET_TAG, len(tag), tag))

    def finish(self):
        size = ctypes.c_int()
        self._must(_crypto.EVP_CipherFinal_ex(self._handle, ctypes.create_string_buffer(16),
                                              ctypes.byref(size)))

    def tag(self):
        out = ctypes.create_string_buffer(GCM_TAG_BYTES)
        self._must(_crypto.EVP_CIPHER_CTX_ctrl(self._handle, _GCM_GET_TAG, GCM_TAG_BYTES, out))
        return out.raw

    @staticmethod
    def _must(result):
        if result != 1:
            raise CipherFailed("libcrypto refused the operation")


def ctr(key, iv, data):
    """AES counter mode; the same call enciphers and deciphers."""
    cipher = _crypto.EVP_aes_128_ctr if len(key) == 16 else _crypto.EVP_aes_256_ctr
    with _Context(cipher(), key, iv, True) as context:
        return context.update(data)


def gcm_seal(key, iv, plain, associated):
    cipher = _crypto.EVP_aes_128_gcm if len(key) == 16 else _crypto.EVP_aes_256_gcm
    with _Context(cipher(), key, iv, True) as context:
        context.authenticate(associated)
        sealed = context.update(plain)
        context.finish()
        return sealed + context.tag()


def gcm_open(key, iv, sealed, associated):
    cipher = _crypto.EVP_aes_128_gcm if len(key) == 16 else _crypto.EVP_aes_256_gcm
    body, tag = sealed[:-GCM_TAG_BYTES], sealed[-GCM_TAG_BYTES:]
    with _Context(cipher(), key, iv, False) as context:
        context.set_tag(tag)
        context.authenticate(associated)
        plain = context.update(body)
        context.finish()
        return plain
