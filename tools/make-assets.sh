#!/usr/bin/env bash
# Makes what the demo embeds, from the letters set: assets/letters/{model.safetensors,heldout.tar,LICENSES.md}.
#
#   make-pictures letters --fonts … --out data/letters      (see tools/pictures/README.md)
#   resgen tokenizer train --config configs/letters-tokenizer-8x8x8-64.toml --out runs/letters-tokenizer
#   resgen tokenize --tokenizer runs/letters-tokenizer --data data/letters/train --out data/letters-codes
#   resgen train --config configs/letters-resgen-8x8x8-tiny.toml --out runs/letters-resgen
#   tools/make-assets.sh
#
# The weights here had 5,200 steps of that training, then, beginning with them, 9,000 more, and then three more blocks and 7,000 more in bf16:
#
#   begin() { resgen train --config configs/letters-resgen-8x8x8-tiny.toml --out runs/letters-resgen --set init=assets/letters/model.safetensors \
#       --set codes.tokenizer=assets/letters/model.safetensors "$@"; }
#   begin --set train.steps=9000
#   begin --set train.steps=7000 --set model.trunk='{ width = 192, layers = 9, heads = 3 }' --precision bf16
set -euo pipefail
cd "$(dirname "$0")/.."
data=data/letters
out=assets/letters
resgen=${RESGEN:-target/release/resgen}

"$resgen" export runs/letters-resgen --storage bf16 --out "$out/model.safetensors"

# One held-out picture a class, from families under the SIL Open Font License alone, a different face each time.
families=('Andika' 'Cantarell' 'Cinzel' 'Gotu' 'Leckerli One' 'Noto Sans' 'Cherry Bomb' 'Campania')
faces=$(for family in "${families[@]}"; do
    awk -F'\t' -v family="$family" '$1 == family && $2 == "heldout" { print $3 }' "$data/families.tsv"
done | tr ' ' '\n')
shard=$(mktemp -d)
trap 'rm -rf "$shard"' EXIT
index=0
for class in "$data"/heldout/*/; do
    count=$(wc -w <<<"$faces")
    face=$(tr '\n' ' ' <<<"$faces" | cut -d' ' -f$((index % count + 1)))
    mkdir -p "$shard/$(basename "$class")"
    pictures=("$class$face"-*.png)
    cp "${pictures[$((index / count % ${#pictures[@]}))]}" "$shard/$(basename "$class")/"
    index=$((index + 1))
done
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -C "$shard" -cf "$out/heldout.tar" .
{
    echo '# Fonts of the pictures in heldout.tar'
    echo
    echo 'All are under the SIL Open Font License 1.1. The lines are copied from the fonts themselves.'
    for family in "${families[@]}"; do
        echo
        awk -v head="## $family" '$0 == head { on = 1; print; next } /^## / { on = 0 } on && NF { print }' "$data/LICENSES.md"
    done
} >"$out/LICENSES.md"
