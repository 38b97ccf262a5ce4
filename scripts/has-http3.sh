#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# has-http3.sh   Prints 1 where the libraries are that HTTP/3 is built with: their interface was renamed later.
! pkg-config --exists 'libngtcp2 >= 0.12' 'libngtcp2 < 0.13' libngtcp2_crypto_gnutls \
    'libnghttp3 >= 0.8' 'libnghttp3 < 0.9' gnutls 2>/dev/null || echo 1
