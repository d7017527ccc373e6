"""Writes what transformers makes of two texts with two tiny encoders, for the Rust tests: python make_golden.py [folder].

Both encoders are ByT5's in kind and random in their weights: one has gated feed-forward layers (T5 v1.1) and is saved by transformers, the other has
those of the first T5 and is saved by torch. The second text is longer than the distance from which on all positions are equally far.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

GOLDEN = Path(__file__).parent / "../../crates/resgen-core/tests/golden"
TEXTS = [
    "Café 🙂",
    "Whoever reads this to its end has read more bytes than an encoder tells apart by how far they are, which is a hundred and twenty-eight.",
]
SIZES = {"vocab_size": 384, "d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_heads": 4}


def encoder(feed_forward: str, seed: int, **more) -> T5EncoderModel:
    torch.manual_seed(seed)
    model = T5EncoderModel(T5Config(**SIZES, feed_forward_proj=feed_forward, tokenizer_class="ByT5Tokenizer", **more)).eval()
    # As trained ones have them: gains that are not 1, and distances that matter as much as products do.
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "layer_norm" in name:
                weight.copy_(1 + 0.2 * torch.randn_like(weight))
            elif "relative_attention_bias" in name or "shared" in name:
                weight.copy_(torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * weight.shape[1] ** -0.5)
    return model


def main() -> None:
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN) / "t5"
    torch.set_num_threads(1)
    tokens = ByT5Tokenizer()(TEXTS, padding=True, return_tensors="pt")
    gated = encoder("gated-gelu", 1)
    # Fewer kinds of distance, and nothing farther than 20.
    relu = encoder("relu", 2, relative_attention_num_buckets=8, relative_attention_max_distance=20)
    gated.save_pretrained(folder / "gated")
    relu.config.save_pretrained(folder / "relu")
    torch.save(relu.state_dict(), folder / "relu/pytorch_model.bin")
    with torch.no_grad():
        states = {name: model(**tokens).last_hidden_state for name, model in [("gated", gated), ("relu", relu)]}
    tensors = {"tokens": tokens["input_ids"].int(), "there": tokens["attention_mask"].float(), **states}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "states.safetensors")
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")


if __name__ == "__main__":
    main()
