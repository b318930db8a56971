"""The public keys that releases are trusted by unless the user gives others: Red Hat's release and beta keys.

A module rather than data files, so that this room reads nothing from disk and a frozen executable carries
them without further care. The keys inside a release payload are never used: what is to be verified cannot say
what it is verified with.

Source: openshift/cluster-update-keys, commit 3b5c59cc6461, ``keys/verifier-public-key-redhat-release`` and
``keys/verifier-public-key-redhat-beta-2``, unchanged; Apache License 2.0.
"""

from typing import Final

REDHAT_RELEASE: Final = b"""\
pub   4096R/FD431D51 2009-10-22
      Key fingerprint = 567E 347A D004 4ADE 55BA  8A5F 199E 2F91 FD43 1D51
uid                  Red Hat, Inc. (release key 2) <security@redhat.com>

-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: GnuPG v2.0.22 (GNU/Linux)

mQINBErgSTsBEACh2A4b0O9t+vzC9VrVtL1AKvUWi9OPCjkvR7Xd8DtJxeeMZ5eF
0HtzIG58qDRybwUe89FZprB1ffuUKzdE+HcL3FbNWSSOXVjZIersdXyH3NvnLLLF
0DNRB2ix3bXG9Rh/RXpFsNxDp2CEMdUvbYCzE79K1EnUTVh1L0Of023FtPSZXX0c
u7Pb5DI5lX5YeoXO6RoodrIGYJsVBQWnrWw4xNTconUfNPk0EGZtEnzvH2zyPoJh
XGF+Ncu9XwbalnYde10OCvSWAZ5zTCpoLMTvQjWpbCdWXJzCm6G+/hx9upke546H
5IjtYm4dTIVTnc3wvDiODgBKRzOl9rEOCIgOuGtDxRxcQkjrC+xvg5Vkqn7vBUyW
9pHedOU+PoF3DGOM+dqv+eNKBvh9YF9ugFAQBkcG7viZgvGEMGGUpzNgN7XnS1gj
/DPo9mZESOYnKceve2tIC87p2hqjrxOHuI7fkZYeNIcAoa83rBltFXaBDYhWAKS1
PcXS1/7JzP0ky7d0L6Xbu/If5kqWQpKwUInXtySRkuraVfuK3Bpa+X1XecWi24JY
HVtlNX025xx1ewVzGNCTlWn1skQN2OOoQTV4C8/qFpTW6DTWYurd4+fE0OJFJZQF
buhfXYwmRlVOgN5i77NTIJZJQfYFj38c/Iv5vZBPokO6mffrOTv3MHWVgQARAQAB
tDNSZWQgSGF0LCBJbmMuIChyZWxlYXNlIGtleSAyKSA8c2VjdXJpdHlAcmVkaGF0
LmNvbT6JAjYEEwEIACACGwMGCwkIBwMCBBUCCAMEFgIDAQIeAQIXgAUCSuBJPAAK
CRAZni+R/UMdUfIkD/9m3HWv07uJG26R3KBexTo2FFu3rmZs+m2nfW8R3dBX+k0o
AOFpgJCsNgKwU81LOPrkMN19G0+Yn/ZTCDD7cIQ7dhYuDyEX97xh4une/EhnnRuh
ASzR+1xYbj/HcYZIL9kbslgpebMn+AhxbUTQF/mziug3hLidR9Bzvygq0Q09E11c
OZL4BU6J2HqxL+9m2F+tnLdfhL7MsAq9nbmWAOpkbGefc5SXBSq0sWfwoes3X3yD
Q8B5Xqr9AxABU7oUB+wRqvY69ZCxi/BhuuJCUxY89ZmwXfkVxeHl1tYfROUwOnJO
GYSbI/o41KBK4DkIiDcT7QqvqvCyudnxZdBjL2QU6OrIJvWmKs319qSF9m3mXRSt
ZzWtB89Pj5LZ6cdtuHvW9GO4qSoBLmAfB313pGkbgi1DE6tqCLHlA0yQ8zv99OWV
cMDGmS7tVTZqfX1xQJ0N3bNORQNtikJC3G+zBCJzIeZleeDlMDQcww00yWU1oE7/
To2UmykMGc7o9iggFWR2g0PIcKsA/SXdRKWPqCHG2uKHBvdRTQGupdXQ1sbV+AHw
ycyA/9H/mp/NUSNM2cqnBDcZ6GhlHt59zWtEveiuU5fpTbp4GVcFXbW8jStj8j8z
1HI3cywZO8+YNPzqyx0JWsidXGkfzkPHyS4jTG84lfu2JG8m/nqLnRSeKpl20Q==
=79bX
-----END PGP PUBLIC KEY BLOCK-----
"""
"""567E 347A D004 4ADE 55BA  8A5F 199E 2F91 FD43 1D51, which signs every release."""

REDHAT_BETA_2: Final = b"""\
4096R/F21541EB 2009-02-24 Red Hat, Inc. (beta key 2) <security@redhat.com>

-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: GnuPG v2.0.22 (GNU/Linux)

mQINBEmkAzABEAC2/c7bP1lHQ3XScxbIk0LQWe1YOiibQBRLwf8Si5PktgtuPibT
kKpZjw8p4D+fM7jD1WUzUE0X7tXg2l/eUlMM4dw6XJAQ1AmEOtlwSg7rrMtTvM0A
BEtI7Km6fC6sU6RtBMdcqD1cH/6dbsfh8muznVA7UlX+PRBHVzdWzj6y8h84dBjo
gzcbYu9Hezqgj/lLzicqsSZPz9UdXiRTRAIhp8V30BD8uRaaa0KDDnD6IzJv3D9P
xQWbFM4Z12GN9LyeZqmD7bpKzZmXG/3drvfXVisXaXp3M07t3NlBa3Dt8NFIKZ0D
FRXBz5bvzxRVmdH6DtkDWXDPOt+Wdm1rZrCOrySFpBZQRpHw12eo1M1lirANIov7
Z+V1Qh/aBxj5EUu32u9ZpjAPPNtQF6F/KjaoHHHmEQAuj4DLex4LY646Hv1rcv2i
QFuCdvLKQGSiFBrfZH0j/IX3/0JXQlZzb3MuMFPxLXGAoAV9UP/Sw/WTmAuTzFVm
G13UYFeMwrToOiqcX2VcK0aC1FCcTP2z4JW3PsWvU8rUDRUYfoXovc7eg4Vn5wHt
0NBYsNhYiAAf320AUIHzQZYi38JgVwuJfFu43tJZE4Vig++RQq6tsEx9Ftz3EwRR
fJ9z9mEvEiieZm+vbOvMvIuimFVPSCmLH+bI649K8eZlVRWsx3EXCVb0nQARAQAB
tDBSZWQgSGF0LCBJbmMuIChiZXRhIGtleSAyKSA8c2VjdXJpdHlAcmVkaGF0LmNv
bT6JAjYEEwEIACACGwMGCwkIBwMCBBUCCAMEFgIDAQIeAQIXgAUCSlIz6AAKCRCT
ioDK8hVB6xR0D/0X3hqKdL14IykbJjOGCg9MwkvXOns4oMS3Rh/wUHmz/NOqJDuq
6MCLp+sqa+zBXopEYWhNd4S3J1bUmVHIVkV9qj3BiHIrxff1YHON02UIfgT2FEuK
cYKGlX3Wr9QjgOLGhNL2aq3slEWsgHKFGReFvZQFxZ9dOfk0/6j4I8H02GScfpv0
NaHwjPhA3h0HtQnyaT/fnqG/On8KeOFiLGQTfWIFuROlA+JhjS4kut6OTejeF6sU
GFvq8LphSuNufNybko/5pVjvcZAxYo8r5lzNWxBjeTZIH+4pGKIrOkcgJMIXf3N8
walSI0nXmesIjot8WHIVzBqhpCTYNCmP03rdGY29TfgkqJOSFcxNcTcdk8FrwnKb
+3a2W8wztpX6WJdx2cE9pZghHIEFKujP6BhDOcIFVdYmzHj8IpZlHNOKYZCaxEhy
OQb3l2y9fanBw6vvfB9NtUOVV0Cf7VVAwpvnyASujDhFapXAn5LJma5ENiiexIen
0m3mQlfBk/dQ+51Z5MAH3FpZpcdtwgutpifDX7CCv9bqiiwkSLtKq6IBUdojJzxh
fgslGFJw0DoWWDcIBzxYXIfhj5mFRMEC7h6Xsdpil0T1tjSVHTAmxcUibr7nb4tf
Fi1CHJkCODMxPoZS+hat0140wJejimT7FQ1CBWNIW4cYuR/GDjSiHxLlHg==
=3V1l
-----END PGP PUBLIC KEY BLOCK-----
"""
"""B08B 659E E86A F623 BC90  E8DB 938A 80CA F215 41EB, which signs pre-releases."""

SHIPPED_KEYS: Final = (REDHAT_RELEASE, REDHAT_BETA_2)
"""The trust root when no ``--verification-key`` is given."""
