#!/usr/bin/env bash
# Build fuzz.cpp with the sanitizers and run it for SECONDS: `engine/core/fuzz.sh SECONDS`. Ends with 1 at a finding.
set -euo pipefail
cd "$(dirname "$0")"
seconds=$1
built=../../build/fuzz
mkdir -p "$built"
flags=(-std=c++20 -O1 -g -Wall -Wextra -Werror -fno-sanitize-recover=all)
if command -v clang++ >/dev/null; then
    clang++ "${flags[@]}" -DDEEDBOOK_LIBFUZZER -fsanitize=fuzzer,address,undefined fuzz.cpp -o "$built/fuzz"
    mkdir -p "$built/corpus"
    exec "$built/fuzz" -max_total_time="$seconds" -max_len=40000 -artifact_prefix="$built/" "$built/corpus"
fi
g++ "${flags[@]}" -fsanitize=address,undefined fuzz.cpp -o "$built/fuzz"
end=$((SECONDS + seconds))
seed=1
while [ "$SECONDS" -lt "$end" ]; do
    ran=$("$built/fuzz" "$seed" 5000)
    echo "seed $seed: $ran"
    seed=$((seed + 1))
done
