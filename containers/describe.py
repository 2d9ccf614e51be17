"""Prints the digests of an image's layers: buildah inspect --type image NAME | python describe.py."""

import json
import sys

image = json.load(sys.stdin)
print(image["FromImage"], image["FromImageDigest"])  # noqa: T201
for digest in image["OCIv1"]["rootfs"]["diff_ids"]:
    print("layer", digest)  # noqa: T201
