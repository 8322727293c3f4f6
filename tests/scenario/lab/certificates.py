# SPDX-License-Identifier: Apache-2.0
"""The lab's certification authority and every certificate, good and bad, made with openssl."""
from dataclasses import dataclass
from pathlib import Path

from . import command, plan

BOTH_USES = "serverAuth,clientAuth"


@dataclass(frozen=True)
class Credential:
    """A certificate and its key in PEM files."""
    certificate: Path
    key: Path


class Authority:
    """Issues certificates into one folder. Keys are P-256: quick to make, and what the nodes prefer."""

    def __init__(self, folder, name="Lab CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.credential = self._self_signed(name)

    @property
    def certificate(self):
        return self.credential.certificate

    def issue(self, file_name, common_name, names=(), addresses=(), uses=BOTH_USES,
              not_before=None, not_after=None):
        """names and addresses become SANs; times are openssl's YYYYMMDDHHMMSSZ."""
        made = self._paths(file_name)
        request = self.folder / f"{file_name}.csr"
        self._new_key(made.key)
        command.run("openssl", "req", "-new", "-key", made.key, "-subj", f"/CN={common_name}",
                    "-out", request)
        self._sign(request, made.certificate, self._extensions(names, addresses, uses),
                   not_before, not_after)
        return made

    def answer(self, file_name, request_pem, names, uses=BOTH_USES, ocsp_url=None):
        """The certificate for somebody else's request, as PEM; the names are those that the authority grants."""
        request = self.folder / f"{file_name}.csr"
        request.write_text(request_pem)
        certificate = self.folder / f"{file_name}.pem"
        responder = [f"authorityInfoAccess = OCSP;URI:{ocsp_url}"] if ocsp_url else []
        self._sign(request, certificate, self._extensions(names, (), uses) + responder, None, None)
        return certificate.read_text()

    def revoke(self, certificate, reason):
        command.run("openssl", "ca", "-batch", "-config", self.folder / "ca.cnf", "-cert", self.credential.certificate,
                    "-keyfile", self.credential.key, "-revoke", certificate, "-crl_reason", reason)

    def _self_signed(self, name):
        made = self._paths("ca")
        self._new_key(made.key)
        command.run("openssl", "req", "-x509", "-new", "-key", made.key, "-sha256", "-days", "120",
                    "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                    "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", made.certificate)
        # `openssl ca` is the command that takes explicit validity times; it wants a small database.
        (self.folder / "index.txt").touch()
        (self.folder / "index.txt.attr").write_text("unique_subject = no\n")
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = lab\n[lab]\n"
            f"dir = {self.folder}\ndatabase = $dir/index.txt\nserial = $dir/serial\n"
            "new_certs_dir = $dir\ndefault_md = sha256\ndefault_days = 90\npolicy = any\n"
            "unique_subject = no\ncopy_extensions = none\n[any]\ncommonName = supplied\n")
        return made

    def _sign(self, request, certificate, extensions, not_before, not_after):
        extension_file = request.with_suffix(".ext")
        extension_file.write_text("[extensions]\n" + "\n".join(extensions) + "\n")
        validity = []
        if not_before:
            validity += ["-startdate", not_before]
        if not_after:
            validity += ["-enddate", not_after]
        command.run("openssl", "ca", "-batch", "-notext", "-config", self.folder / "ca.cnf",
                    "-cert", self.credential.certificate, "-keyfile", self.credential.key,
                    "-in", request, "-out", certificate,
                    "-extfile", extension_file, "-extensions", "extensions", *validity)

    @staticmethod
    def _extensions(names, addresses, uses):
        lines = ["basicConstraints = critical,CA:FALSE",
                 "keyUsage = critical,digitalSignature",
                 f"extendedKeyUsage = {uses}"]
        sans = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
        if sans:
            lines.append("subjectAltName = " + ",".join(sans))
        return lines

    def _paths(self, file_name):
        return Credential(self.folder / f"{file_name}.pem", self.folder / f"{file_name}.key")

    @staticmethod
    def _new_key(path):
        command.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-out", path)
        path.chmod(0o600)


class Wallet:
    """The certificates of the plan. The bad ones are made on first use, by scenarios that need them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.authority = Authority(self.folder)
        self.edge = self.authority.issue("edge", plan.EDGE_NAME,
                                         names=(plan.EDGE_NAME, plan.DOMAIN))
        self.core = self.authority.issue("core", plan.CORE_NAME,
                                         names=(plan.CORE_NAME, plan.CLUSTER_NAME))
        self.cm = self.authority.issue("cm", plan.CM_NAME, names=(plan.CM_NAME, plan.CM2_NAME, plan.DOMAIN))

    def from_unknown_authority(self, folder="unknown"):
        """Right names, signed by an authority nobody trusts, made anew in its folder."""
        return Authority(self.folder / folder, "Unknown CA").issue(
            "core", plan.CORE_NAME, names=(plan.CORE_NAME, plan.CLUSTER_NAME))

    def expired(self):
        return self.authority.issue("core-expired", plan.CORE_NAME,
                                    names=(plan.CORE_NAME, plan.CLUSTER_NAME),
                                    not_before="20200101000000Z", not_after="20200201000000Z")

    def right_name_in_cn_only(self):
        """The expected name as CN, another one as SAN: the CN must never count (A19)."""
        return self.authority.issue("core-wrong-san", plan.CLUSTER_NAME,
                                    names=("other.inside.example.com",))

    def without_client_use(self):
        return self.authority.issue("core-server-only", plan.CORE_NAME, uses="serverAuth",
                                    names=(plan.CORE_NAME, plan.CLUSTER_NAME))

    def edge_with_address(self, address):
        """For a peer configured by IP address: the address must be a SAN (A30)."""
        return self.authority.issue("edge-address", plan.EDGE_NAME, names=(plan.EDGE_NAME,),
                                    addresses=(address,))

    def edge_from_unknown_authority(self):
        return Authority(self.folder / "unknown-edge", "Unknown CA").issue(
            "edge", plan.EDGE_NAME, names=(plan.EDGE_NAME,))

    def edge_with_wrong_name(self):
        return self.authority.issue("edge-wrong-san", plan.EDGE_NAME,
                                    names=("other.example.com",))
