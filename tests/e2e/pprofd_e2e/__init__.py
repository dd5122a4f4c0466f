# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: running pprofd, reading its profiles, and the truth to compare them with."""
