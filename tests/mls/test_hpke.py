"""HPKE: what `alcove.mls.hpke` adds to the library below, against values that others computed.

Where the values come from, and what they were checked against:

* RFC 9180, appendices A.1.1, A.3.1 and A.6.1: X25519, P-256 and P-521 in base mode.
* draft-ietf-hpke-pq-05, appendices A.8 and A.10: P-384 and X448.  Their key schedules use another
  KDF, so only what the KEM does is taken from there.  RFC 9180 has no vectors of these two.
* The same, appendix A.5: X-Wing (there "MLKEM768-X25519") with the labelled
  DeriveKeyPair.  The ciphertext was made anew from the draft's `ikmE` with @noble/post-quantum
  0.5.2, and its beginning, its end and the shared secret compared with the draft.
* draft-connolly-cfrg-xwing-kem-06, appendix C: X-Wing itself, the ciphertext made and compared
  in the same way.
* RFC 5869, appendix A.1: HKDF-Expand over more than one block.
* @hpke/core 1.9.0 and @hpke/dhkem-x448 1.8.0 sealed and exported to fresh keys of ours for P-384
  and X448.  With the same packages every KEM was tried both ways: they opened what we sealed and
  agreed on exports and, but for X-Wing, whose older derivation they have, on derived key pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric import x25519

from alcove.mls import CryptoError, Hpke, KemKey, pyca
from alcove.mls import hpke as ours
from alcove.mls.pyca import PROVIDER

unhex = bytes.fromhex
"""Spaces and line ends between the digits do not count."""


class KemVector(NamedTuple):
    """DeriveKeyPair and Decap of one KEM."""

    kem: str
    seed: str
    private: str
    public: str
    encapsulated: str
    shared: str


KEM_VECTORS = [
    KemVector(
        "x25519",
        "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
        "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
        "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
        "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
    ),
    KemVector(
        "p256",
        "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550",
        "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
        """
        04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f6
        2fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0
        """,
        """
        04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f95
        1c0900be863c403ce65c9bfcb9382657222d18c4
        """,
        "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
    ),
    KemVector(
        "p384",
        """
        65fca3ea3b6db29a62bff28ec53c08710fab10b3798e59b678d3224296d5883f039123471784ce57b0d85a17cd
        521196
        """,
        """
        679172205e04663f40fda1018cd46c18ebaa876ede6998ba86b051614ca4d5e4bfbea34b720617a4b958cc80f6
        305244
        """,
        """
        04a5f53da8564364255bc36850df793672782a5c9e4a7fb5fb2e2146eb12e4d8477ab1f326a361dfd1e4121210
        9510e813380547c68c0964c1908f16f67b902a061be27b2f8b43f1fab1bf0dbf89f5167ce80aca2c210b8fc0f0
        40699db9ee1229
        """,
        """
        049f1da943827d165268869c842962c1feba1fb46402fd3fac50c002cf44bb103c1aa8fb15a848f9908554624b
        0eac4573ec258788335421dcbfa625bfc9136cfa0e335f0de018e4f9517ae0a8863f1b3631343c49c67fd24021
        3f86af1b235ba4
        """,
        """
        f609b68f1e65f077d9cca41ad41d45dd66284adfb8341b9ebdd0ff39c90917a1af423d5b70d6a917ebf469e093
        023850
        """,
    ),
    KemVector(
        "p521",
        """
        2ad954bbe39b7122529f7dde780bff626cd97f850d0784a432784e69d86eccaade43b6c10a8ffdb94bf943c6da
        479db137914ec835a7e715e36e45e29b587bab3bf1
        """,
        """
        01462680369ae375e4b3791070a7458ed527842f6a98a79ff5e0d4cbde83c27196a3916956655523a6a2556a7a
        f62c5cadabe2ef9da3760bb21e005202f7b2462847
        """,
        """
        0401b45498c1714e2dce167d3caf162e45e0642afc7ed435df7902ccae0e84ba0f7d373f646b7738bbbdca11ed
        91bdeae3cdcba3301f2457be452f271fa6837580e661012af49583a62e48d44bed350c7118c0d8dc861c238c72
        a2bda17f64704f464b57338e7f40b60959480c0e58e6559b190d81663ed816e523b6b6a418f66d2451ec64
        """,
        """
        040138b385ca16bb0d5fa0c0665fbbd7e69e3ee29f63991d3e9b5fa740aab8900aaeed46ed73a49055758425a0
        ce36507c54b29cc5b85a5cee6bae0cf1c21f2731ece2013dc3fb7c8d21654bb161b463962ca19e8c654ff24c94
        dd2898de12051f1ed0692237fb02b2f8d1dc1c73e9b366b529eb436e98a996ee522aef863dd5739d2f29b0
        """,
        """
        776ab421302f6eff7d7cb5cb1adaea0cd50872c71c2d63c30c4f1d5e43653336fef33b103c67e7a98add2d3b66
        e2fda95b5b2a667aa9dac7e59cc1d46d30e818
        """,
    ),
    KemVector(
        "x448",
        """
        05010b60198748053414d63c47ba705c6440c9cbe653738977d08c6ca32d0b82e27ba4ab996412f59f05cb73ac
        7ca0397ae450aa8f12ad3d
        """,
        """
        7491fbd4ccbb8c10743c87837d06c6bbdc0221dd527ca412503fe362360894f3a974d3bf98e55562ec592347b8
        279281069a744167477004
        """,
        """
        fade88e04535766e153ba0b057f6abb2dd800ddc7f9c81261c4c36daedfe24fdf7da2f5509ffb5747fe176df95
        d2685ebf31a92f9d35d95e
        """,
        """
        63f7f749b717b00162520b49a89e6ad570cd333b685468dab6ef2017a99b7e194fa3bf572cd1d44766f7c1f2a1
        d5a0642799b860533ade01
        """,
        """
        f2dbcd87d122d22995c20d8ff6640f3cf15a3c1e64ccca0f2f0a81f89819290371ba5a5739dff9e3d95845a62f
        0e28e1d3ba3926789902eb1bcf687f08219416
        """,
    ),
]


class BaseVector(NamedTuple):
    """The key schedule and the exports of base mode, for the key and `enc` of a `KemVector`."""

    hpke: Hpke
    key: str
    nonce: str
    exporter: str
    exports: tuple[str, str, str]
    ciphertext: str


INFO = b"Ode on a Grecian Urn"
PLAIN = b"Beauty is truth, truth beauty"
EXPORTER_CONTEXTS = (b"", b"\0", b"TestContext")
BASE_VECTORS = [
    BaseVector(
        Hpke("x25519", "sha256", "aes128gcm"),
        "4531685d41d65f03dc48f6b8302c05b0",
        "56d890e5accaaf011cff4b7d",
        "45ff1c2e220db587171952c0592d5f5ebe103f1561a2614e38f2ffd47e99e3f8",
        (
            "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee",
            "2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5",
            "e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af54931",
        ),
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
    ),
    BaseVector(
        Hpke("p256", "sha256", "aes128gcm"),
        "868c066ef58aae6dc589b6cfdd18f97e",
        "4e0bc5018beba4bf004cca59",
        "14ad94af484a7ad3ef40e9f3be99ecc6fa9036df9d4920548424df127ee0d99f",
        (
            "5e9bc3d236e1911d95e65b576a8a86d478fb827e8bdfe77b741b289890490d4d",
            "6cff87658931bda83dc857e6353efe4987a201b849658d9b047aab4cf216e796",
            "d8f1ea7942adbba7412c6d431c62d01371ea476b823eb697e1f6e6cae1dab85a",
        ),
        "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434",
    ),
    BaseVector(
        Hpke("p521", "sha512", "aes256gcm"),
        "751e346ce8f0ddb2305c8a2a85c70d5cf559c53093656be636b9406d4d7d1b70",
        "55ff7a7d739c69f44b25447b",
        """
        e4ff9dfbc732a2b9c75823763c5ccc954a2c0648fc6de80a58581252d0ee3215388a4455e69086b50b87eb28c1
        69a52f42e71de4ca61c920e7bd24c95cc3f992
        """,
        (
            "05e2e5bd9f0c30832b80a279ff211cc65eceb0d97001524085d609ead60d0412",
            "fca69744bb537f5b7a1596dbf34eaa8d84bf2e3ee7f1a155d41bd3624aa92b63",
            "f389beaac6fcf6c0d9376e20f97e364f0609a88f1bc76d7328e9104df8477013",
        ),
        "170f8beddfe949b75ef9c387e201baf4132fa7374593dfafa90768788b7b2b200aafcc6d80ea4c795a7c5b841a",
    ),
]

# draft-ietf-hpke-pq-05, A.5: X-Wing, HKDF-SHA256, ChaCha20Poly1305.
PQ_SUITE = Hpke("xwing", "sha256", "chacha20poly1305")
PQ_INFO = unhex("34663634363532303666366532303631323034373732363536333639363136653230353537323665")
PQ_SEED = unhex("c8575d137deab99ac98fb0873048c83c3a1f47ef5b409f609c0ca652f58c83e0")
PQ_PRIVATE = unhex("b6bfa0299b955e85224df2e468f29eeab377ff3b96d4462b39447a22d32b91be")
PQ_PUBLIC_BEGINS = unhex("d3d102410970b8bab2984008669914490c95dea2c2ae331ca229aaf3609a6d5a")
PQ_PUBLIC_ENDS = unhex("641763ebe08e7add5686b0ed1d1e7053982aa616130939d0a09462df7dc74d05")
PQ_SHARED = unhex("e059d39125d1f09a7232413a13ec5cb18a37417675442c962700d59da46d105a")
PQ_KEY = unhex("100a6260ae1a2660dd575fd4f8bf8ebddda22b8bdb0f1bca9fcb26c0aa12418e")
PQ_NONCE = unhex("b55542ef5c7fc75d075bbfde")
PQ_EXPORTER = unhex("2838515658ae0c04e99391c0bad9a45613254bad20f7cdd80a70b25f71fec22d")
PQ_EXPORTS = (
    unhex("14b64c194571a8e6fc16cb4d22754c79391081174b6001cd8050142f928defbb"),
    unhex("7152f82449d4cd8137afb9b514fab6791e0938ba7734cb62228b8385003f32a6"),
    unhex("e3759bd609d81501bdac23863795a37437e804dd3274f0ed3964f82e8a6f97e5"),
)
PQ_PLAIN = unhex(
    """
    343236353631373537343739323036393733323037343732373537343638326332
    30373437323735373436383230363236353631373537343739
    """
)
PQ_CIPHERTEXT = unhex(
    """
    a4ab74475a498ed725f685421f67c09a4783fe76f67bd251e1e73db8eb1452dfad4df3c6453f7edecc7bb055dd
    e561e2efd54d73a3d4f1f2f02eac90ba1e9b84ded66d43aee6393524db
    """
)
PQ_ENCAPSULATED = unhex(
    """
    ab354dd589f74ee0eab7718a630cbec5df1d09058e177cd6dd141d883450ddd70c050d88bed3d07cce23415cab4111
    08cc30906482a71adcb134a56e978a6152a8e063b24acd1534f264f10458152a9ed4f1f32b3d480c4f2453b7fdea77
    20146b3ee92cf8a13a4840076f68c911c65fa3db5053fb0aabf79e64cd5e7aa71b2b9641e713ec7df552e17d5020f8
    721ee449b42c888e2a3f87cfd96e3a98c3e7c4cd8f647f899570f596bf17d2b6fa2cad19706d9cc3cf09493e1c7ffa
    0eb2a4559ae1d940fdbef97bed383e6ccfdb448d9f1a81805166b32c2af2e16878c6dc46ab43323ed9c136b9252397
    82e3c329c31a5cf2a80faf025a80766e244605c27afe4b624d9d8ca99b6ef5439ed1ad044b518c434385acd49f1369
    ded6624a2832a571ccdd70d08b3c04cb1cd3136166f9a485f536f69ec66f0293e840025ccaac42f8e5f7c9cb818076
    c272797047f5e50c1e9f1dab81cfb48fe4c4998b2427f009702b145f34ad8dbc3e7ad4e4023057ba31cd02c4c0545e
    bf71eb02533e8eaa2b2f2690ee1407bf1f66dc5f4d836c45b82f10b720df72d237488a9af1b6dfb4741fd613379c2e
    211e77f7fae6b3734ad81de2d452005334857c4a3cbc82afc7428fe510495969b296d24e1a7431f557d48578cf92ae
    86c0392f0ba73755a9e5465c8e3495e4cd2a82d463244341e39414e26c9b242f31d2cf0e46b2aeb11dd5e56ec44834
    350d151344229e410faff2b2ace5c9b3fa12571db1d28da2c7133492781dac41b7a7e2bac2260fd12f569390335878
    24c9dfb17d41b3bceea53763193abe0c7c184d5de161ef5312f31fab42478c9a193b868e4d29b2b7624f3ebe740f39
    3d03d843cd5327286a579fd2a6e37aca5b64f9316115d612c7781e704ea7d182701c5019975cad14fbf4ab3904d4a3
    5acaf0be32d716a1ef5d7188fc418ae9e60744325a3e8001655b756df94c24031c3ce32bd90c0ecdac52ca140fdad7
    f44d04bd0a7e2a726c54cf9793f8784a23296f65da3fd1cbc18300d503c5b27be99b9b0e32d20b3614dc8a999f30c2
    779dd7886cfd486dc1c93ebcf517b5210a4359d9fa1805381f0f2261ff47de01de555d98bc1a30dda557a83007b616
    36abaf9041f96890f0f565eefc45859fbcd32d91b203215541227a4fcc3d95be2ddb0702878caa20f2da62c4ff9fe3
    3af591ba1ec241fbe2208e0480f8b1cca1679c096f8f5a02a33e9df445b3274ac112b43d51510135cd3f532a3379e9
    0bb7f0cb43717e90555bb1a80924cc69577455687cceb9b1610c05839541e87ad83d79ef3ff24ace1934cfbe989691
    959d93ac48c716b672b370dd4c144ca1e32508707a6ef8aa29b55759b3d054c56bee1baa6f41b84b9fc3fd681a1a15
    28eac578141529836a29dda1501a49ba2455367256d2fe6f74ebb74ef9a49a94a4c6cd1dd09810f0e9bffa69dd8c94
    d226d0b2977b11a35382888961004a44c60fd602e9ff4271287e9240ba96146515b9db9da60375aeeafeac1eeb764f
    aebacd197df27817c35fe4c5c802e43349d7bc95c8b40c001449d3251c1d92ff6d5c3b08c4b27c
    """
)

# draft-connolly-cfrg-xwing-kem-06, appendix C, the first vector.
XWING_PRIVATE = unhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
XWING_PUBLIC_BEGINS = unhex("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")
XWING_SHARED = unhex("d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384")
XWING_CIPHERTEXT = unhex(
    """
    b83aa828d4d62b9a83ceffe1d3d3bb1ef31264643c070c5798927e41fb07914a273f8f96e7826cd5375a283d7da885
    304c5de0516a0f0654243dc5b97f8bfeb831f68251219aabdd723bc6512041acbaef8af44265524942b902e68ffd23
    221cda70b1b55d776a92d1143ea3a0c475f63ee6890157c7116dae3f62bf72f60acd2bb8cc31ce2ba0de364f52b8ed
    38c79d719715963a5dd3842d8e8b43ab704e4759b5327bf027c63c8fa857c4908d5a8a7b88ac7f2be394d93c3706dd
    d4e698cc6ce370101f4d0213254238b4a2e8821b6e414a1cf20f6c1244b699046f5a01caa0a1a55516300b40d2048c
    77cc73afba79afeea9d2c0118bdf2adb8870dc328c5516cc45b1a2058141039e2c90a110a9e16b318dfb53bd49a126
    d6b73f215787517b8917cc01cabd107d06859854ee8b4f9861c226d3764c87339ab16c3667d2f49384e55456dd4041
    4b70a6af841585f4c90c68725d57704ee8ee7ce6e2f9be582dbee985e038ffc346ebfb4e22158b6c84374a9ab4a44e
    1f91de5aac5197f89bc5e5442f51f9a5937b102ba3beaebf6e1c58380a4a5fedce4a4e5026f88f528f59ffd2db4175
    2b3a3d90efabe463899b7d40870c530c8841e8712b733668ed033adbfafb2d49d37a44d4064e5863eb0af0a08d47b3
    cc888373bc05f7a33b841bc2587c57eb69554e8a3767b7506917b6b70498727f16eac1a36ec8d8cfaf751549f2277d
    b277e8a55a9a5106b23a0206b4721fa9b3048552c5bd5b594d6e247f38c18c591aea7f56249c72ce7b117afcc3a862
    1582f9cf71787e183dee09367976e98409ad9217a497df888042384d7707a6b78f5f7fb8409e3b535175373461b776
    002d799cbad62860be70573ecbe13b246e0da7e93a52168e0fb6a9756b895ef7f0147a0dc81bfa644b088a9228160c
    0f9acf1379a2941cd28c06ebc80e44e17aa2f8177010afd78a97ce0868d1629ebb294c5151812c583daeb88685220f
    4da9118112e07041fcc24d5564a99fdbde28869fe0722387d7a9a4d16e1cc8555917e09944aa5ebaaaec2cf62693af
    ad42a3f518fce67d273cc6c9fb5472b380e8573ec7de06a3ba2fd5f931d725b493026cb0acbd3fe62d00e4c790d965
    d7a03a3c0b4222ba8c2a9a16e2ac658f572ae0e746eafc4feba023576f08942278a041fb82a70a595d5bacbf297ce2
    029898a71e5c3b0d1c6228b485b1ade509b35fbca7eca97b2132e7cb6bc465375146b7dceac969308ac0c2ac89e786
    3eb8943015b24314cafb9c7c0e85fe543d56658c213632599efabfc1ec49dd8c88547bb2cc40c9d38cbd3099b45478
    40560531d0188cd1e9c23a0ebee0a03d5577d66b1d2bcb4baaf21cc7fef1e03806ca96299df0dfbc56e1b2b43e4fc2
    0c37f834c4af62127e7dae86c3c25a2f696ac8b589dec71d595bfbe94b5ed4bc07d800b330796fda89edb77be02941
    36139354eb8cd37591578f9c600dd9be8ec6219fdd507adf3397ed4d68707b8d13b24ce4cd8fb22851bfe9d632407f
    31ed6f7cb1600de56f17576740ce2a32fc5145030145cfb97e63e0e41d354274a079d3e6fb2e15
    """
)


class Foreign(NamedTuple):
    """What another implementation sealed and exported to a key of ours."""

    hpke: Hpke
    private: str
    encapsulated: str
    ciphertext: str
    export: str


FOREIGN = [
    Foreign(
        Hpke("p384", "sha384", "aes256gcm"),
        """
        7d6e1084a68399f033e0607b46d17c447e9c0f41c90356b5c972a19f30ca60e72128d0c616037f407d07bd7e6b
        018db5
        """,
        """
        046a635e1e27c7d9c224f36b287b58cb23f695137f6c24e57fca96460e4179b868374b892d77062b0d76257389
        f40cc636106cb57dfed6b5792a3234bdeed94d2e73c7afd408dc70090fcd9d219d4b0c3a2d29e0848d85c3429b
        96bb4cbd6c2e47
        """,
        "5aa1158d7ef58620108ab4aa2c7ebff9b41f3c6b",
        """
        22359da817fbc721e3b81dc3754a5521f65e53010ac0e5c05327ef0933b5ba70898a17d4af5e41397f7c9d12e0
        de44de
        """,
    ),
    Foreign(
        Hpke("x448", "sha512", "aes256gcm"),
        """
        29d6eb690b61b11b65fdd999fee5ab9cb573fc4a0c6faf114540c02dd234a00d3b3546bf50f32d3bb321d843cb
        a5cb4a9ca851505404000f
        """,
        """
        55df6ce43b218b8995134e32e6ae05fd74406c3ba9aecc174e9e5372c2793b181855f748b18bf99253c2b76914
        82fb41dafbfbda5c508939
        """,
        "d610f1a4c6a9a722f86608f8cf0ab719d1664225",
        """
        c00cd2e5d030d56a6b1a50ac7db7b969b5323656f7a0b381677c7584ecbc9df4a7d6ae5820612135764bbf7b7c
        7c9f20
        """,
    ),
    Foreign(
        Hpke("x448", "sha512", "chacha20poly1305"),
        """
        430f937f33e55ad11909872bc6042fbe720b77750e73fbd119430c37b6a8daf1a944aaf6a547cacb1b3433c713
        95ed8f9072738d8beebbeb
        """,
        """
        97d8c0df216fcff565c7f210faf4f044f6f829875a2dbcde1e7a4e618cd530855525e79a21df87bc56cbadc6e3
        77d7737c9fc4ac20d0b44f
        """,
        "ef94909765b8372791a533b60c750e8ea277e393",
        """
        60c240e8d2d648c2d4dab69c37efb8e84a86648a0d660698b5215ea15000bd066bed5c902a4f0caab0f40b6782
        b924d4
        """,
    ),
]


# ---- What a KEM does ----


@pytest.mark.parametrize("vector", KEM_VECTORS, ids=lambda vector: vector.kem)
def test_a_seed_gives_the_key_pair_that_the_specification_says(vector: KemVector) -> None:
    key = PROVIDER.kem_derive(vector.kem, unhex(vector.seed))
    assert (key.private, key.public) == (unhex(vector.private), unhex(vector.public))


@pytest.mark.parametrize("vector", KEM_VECTORS, ids=lambda vector: vector.kem)
def test_the_receiver_finds_the_shared_secret_of_the_specification(vector: KemVector) -> None:
    key = PROVIDER.kem_key(vector.kem, unhex(vector.private))
    shared = PROVIDER._decapsulate(vector.kem, key, unhex(vector.encapsulated))
    assert shared == unhex(vector.shared)


def test_every_kem_has_a_vector() -> None:
    assert sorted([*(vector.kem for vector in KEM_VECTORS), "xwing"]) == sorted(ours.KEMS)


@pytest.mark.parametrize("kem", [name for name, spec in ours.KEMS.items() if spec.order])
def test_a_candidate_outside_the_curves_group_is_passed_over(
    kem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expanded = ours.labeled_expand
    wanted = ours.dh_private_key(kem, b"seed")
    real = iter((b"\xff" * ours.KEMS[kem].private_bytes, bytes(ours.KEMS[kem].private_bytes)))

    def unlucky(*arguments: Any) -> bytes:
        # Too large, then zero, then what would have come first.
        kdf, suite, secret, label, _, length = arguments
        return next(real, None) or expanded(kdf, suite, secret, label, b"\0", length)

    monkeypatch.setattr(ours, "labeled_expand", unlucky)
    assert ours.dh_private_key(kem, b"seed") == wanted


def test_a_kem_that_finds_no_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "labeled_expand", lambda *arguments: bytes(arguments[-1]))
    with pytest.raises(CryptoError):
        ours.dh_private_key("p256", b"seed")


# ---- Base mode ----


def received(vector: BaseVector) -> tuple[KemKey, bytes]:
    kem = next(found for found in KEM_VECTORS if found.kem == vector.hpke.kem)
    return PROVIDER.kem_key(kem.kem, unhex(kem.private)), unhex(kem.encapsulated)


@pytest.mark.parametrize("vector", BASE_VECTORS, ids=lambda vector: vector.hpke.kem)
def test_the_key_schedule_is_that_of_rfc_9180(vector: BaseVector) -> None:
    key, encapsulated = received(vector)
    shared = PROVIDER._decapsulate(vector.hpke.kem, key, encapsulated)
    context = pyca._context(vector.hpke, shared, INFO)
    found = (context.key, context.nonce, context.exporter)
    assert found == (unhex(vector.key), unhex(vector.nonce), unhex(vector.exporter))


@pytest.mark.parametrize("vector", BASE_VECTORS, ids=lambda vector: vector.hpke.kem)
def test_the_schedules_key_opens_the_ciphertext_of_rfc_9180(vector: BaseVector) -> None:
    plain = PROVIDER.aead_open(
        vector.hpke.aead,
        unhex(vector.key),
        unhex(vector.nonce),
        unhex(vector.ciphertext),
        b"Count-0",
    )
    assert plain == PLAIN


@pytest.mark.parametrize("vector", BASE_VECTORS, ids=lambda vector: vector.hpke.kem)
def test_the_receiver_exports_what_rfc_9180_says(vector: BaseVector) -> None:
    key, encapsulated = received(vector)
    exports = tuple(
        PROVIDER.hpke_receive_export(vector.hpke, key, encapsulated, INFO, context, 32)
        for context in EXPORTER_CONTEXTS
    )
    assert exports == tuple(map(unhex, vector.exports))


def test_expanding_goes_on_block_after_block() -> None:
    secret = unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    expected = unhex(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    assert ours.expand("sha256", secret, unhex("f0f1f2f3f4f5f6f7f8f9"), 42) == expected


# ---- X-Wing ----


def test_a_seed_gives_the_labelled_key_pair_of_xwing() -> None:
    key = PROVIDER.kem_derive("xwing", PQ_SEED)
    assert ours.xwing_private_key(PQ_SEED) == PQ_PRIVATE
    assert (key.private, key.public[:32], key.public[-32:], len(key.public)) == (
        PQ_PRIVATE,
        PQ_PUBLIC_BEGINS,
        PQ_PUBLIC_ENDS,
        1216,
    )


@pytest.mark.parametrize(
    ("private", "encapsulated", "shared"),
    [
        (PQ_PRIVATE, PQ_ENCAPSULATED, PQ_SHARED),
        (XWING_PRIVATE, XWING_CIPHERTEXT, XWING_SHARED),
    ],
)
def test_both_halves_of_xwing_are_combined_as_its_draft_says(
    private: bytes, encapsulated: bytes, shared: bytes
) -> None:
    key = PROVIDER.kem_key("xwing", private)
    assert PROVIDER._decapsulate("xwing", key, encapsulated) == shared


def test_the_combiner_hashes_both_secrets_and_the_curves_public_values() -> None:
    key = PROVIDER.kem_key("xwing", XWING_PRIVATE)
    lattice = key.handle.mlkem.decapsulate(XWING_CIPHERTEXT[:-32])
    curve = key.handle.x25519.exchange(
        x25519.X25519PublicKey.from_public_bytes(XWING_CIPHERTEXT[-32:])
    )
    combined = ours.xwing_secret(lattice, curve, XWING_CIPHERTEXT[-32:], key.public[-32:])
    assert (key.public[:32], combined) == (XWING_PUBLIC_BEGINS, XWING_SHARED)


def test_the_key_schedule_over_xwing_is_that_of_the_draft() -> None:
    context = pyca._context(PQ_SUITE, PQ_SHARED, PQ_INFO)
    found = (context.key, context.nonce, context.exporter)
    assert found == (PQ_KEY, PQ_NONCE, PQ_EXPORTER)


def test_the_schedules_key_opens_the_ciphertext_of_the_draft() -> None:
    opened = PROVIDER.aead_open(PQ_SUITE.aead, PQ_KEY, PQ_NONCE, PQ_CIPHERTEXT, b"Count-0")
    assert opened == PQ_PLAIN


def test_the_receiver_exports_over_xwing_what_the_draft_says() -> None:
    key = PROVIDER.kem_key("xwing", PQ_PRIVATE)
    exports = tuple(
        PROVIDER.hpke_receive_export(
            PQ_SUITE, key, PQ_ENCAPSULATED, PQ_INFO, b"pseudorandom%d" % at, 32
        )
        for at in range(3)
    )
    assert exports == PQ_EXPORTS


# ---- Other implementations ----


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda foreign: "-".join(foreign.hpke))
def test_what_another_implementation_sealed_is_opened(foreign: Foreign) -> None:
    key = PROVIDER.kem_key(foreign.hpke.kem, unhex(foreign.private))
    encapsulated = unhex(foreign.encapsulated)
    sealed = unhex(foreign.ciphertext)
    assert PROVIDER.hpke_open(foreign.hpke, key, encapsulated, b"info", sealed) == b"back"


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda foreign: "-".join(foreign.hpke))
def test_what_another_implementation_exported_is_agreed_on(foreign: Foreign) -> None:
    key = PROVIDER.kem_key(foreign.hpke.kem, unhex(foreign.private))
    encapsulated = unhex(foreign.encapsulated)
    exported = PROVIDER.hpke_receive_export(foreign.hpke, key, encapsulated, b"info", b"ctx", 48)
    assert exported == unhex(foreign.export)


LIBRARY_SUITES = [
    Hpke(kem, kdf, aead)
    for kem in sorted(pyca._KEMS)
    for kdf, aead in (
        ("sha256", "aes128gcm"),
        ("sha384", "aes256gcm"),
        ("sha512", "chacha20poly1305"),
    )
]


def library_suite(hpke: Hpke) -> library.Suite:
    return library.Suite(pyca._KEMS[hpke.kem], pyca._KDFS[hpke.kdf], pyca._HPKE_AEADS[hpke.aead])


@pytest.mark.parametrize("hpke", LIBRARY_SUITES, ids="-".join)
def test_the_library_opens_what_our_own_schedule_sealed(hpke: Hpke) -> None:
    key = PROVIDER.kem_derive(hpke.kem, b"seed")
    shared, encapsulated = PROVIDER._encapsulate(hpke.kem, key.public)
    context = pyca._context(hpke, shared, b"info")
    sealed = PROVIDER.aead_seal(hpke.aead, context.key, context.nonce, b"data", b"")
    handle = key.handle.hpke if hpke.kem == "xwing" else key.handle
    assert library_suite(hpke).decrypt(encapsulated + sealed, handle, b"info") == b"data"


@pytest.mark.parametrize("hpke", LIBRARY_SUITES, ids="-".join)
def test_our_own_schedule_opens_what_the_library_sealed(hpke: Hpke) -> None:
    key = PROVIDER.kem_derive(hpke.kem, b"seed")
    public = pyca._kem_public(hpke.kem, key.public)
    sealed = library_suite(hpke).encrypt(b"data", public, b"info")
    split = pyca._KEMS[hpke.kem].enc_length()
    context = pyca._context(hpke, PROVIDER._decapsulate(hpke.kem, key, sealed[:split]), b"info")
    opened = PROVIDER.aead_open(hpke.aead, context.key, context.nonce, sealed[split:], b"")
    assert opened == b"data"


# ---- Keys that nobody may have ----

P25519 = 2**255 - 19
P448 = 2**448 - 2**224 - 1
ORDER_8 = (
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
)
LOW_25519 = [
    (value + high).to_bytes(32, "little")
    for value in (0, 1, P25519 - 1, P25519, P25519 + 1, *ORDER_8)
    for high in (0, 2**255)
]
"""Every encoding of the points of small order, on the curve and on its twist; the top bit is not
looked at."""
LOW_448 = [value.to_bytes(56, "little") for value in (0, 1, P448 - 1, P448, P448 + 1)]


@pytest.mark.parametrize("public", LOW_25519, ids=bytes.hex)
def test_an_x25519_key_of_low_order_is_refused(public: bytes) -> None:
    lattice = PROVIDER.kem_derive("xwing", b"seed").public[:-32]
    for kem, key in (("x25519", public), ("xwing", lattice + public)):
        with pytest.raises(CryptoError):
            PROVIDER.kem_check(kem, key)


@pytest.mark.parametrize("public", LOW_448, ids=bytes.hex)
def test_an_x448_key_of_low_order_is_refused(public: bytes) -> None:
    with pytest.raises(CryptoError):
        PROVIDER.kem_check("x448", public)


@pytest.mark.parametrize("public", LOW_25519 + LOW_448, ids=bytes.hex)
def test_the_refused_keys_are_those_that_no_agreement_works_with(public: bytes) -> None:
    kem = "x25519" if len(public) == 32 else "x448"
    key = PROVIDER.kem_derive(kem, b"seed")
    with pytest.raises(ValueError, match="shared key"):
        key.handle.exchange(pyca._kem_public(kem, public))


@pytest.mark.parametrize("kem", sorted(ours.KEMS))
def test_a_key_made_as_it_should_be_is_accepted(kem: str) -> None:
    for seed in range(20):
        PROVIDER.kem_check(kem, PROVIDER.kem_derive(kem, bytes((seed,))).public)


def test_neighbours_of_the_refused_keys_are_accepted() -> None:
    for value in (2, P25519 - 2, P25519 + 2, ORDER_8[0] - 1, ORDER_8[1] + 1):
        PROVIDER.kem_check("x25519", value.to_bytes(32, "little"))
    for value in (2, P448 - 2, P448 + 2):
        PROVIDER.kem_check("x448", value.to_bytes(56, "little"))
