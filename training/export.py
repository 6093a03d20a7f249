"""A checkpoint as a folder that `transformers` loads: safetensors, configuration, tokenizer, and a card that says from what.

    export(Path("runs/tiny/checkpoints/anneal_iter_0000100"), Path("exported"), tokenizer=None)

What was written is read back and compared tensor by tensor with the checkpoint before the folder gets its name. Memory:
the model twice, in fp32 and as exported.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lakehouse.errors import ConfigError, JobFailed
from training import byte_rows, checkpoint, lineage, models
from training.config import RunConfig

SYSTEM = "You are a helpful programming assistant."
# ChatML: turns between <|im_start|> and <|im_end|>; a system turn is put before a conversation that has none.
CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\n" + SYSTEM + "<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def export(folder: Path, target: Path, *, tokenizer: Path | None, dtype: str = "float32") -> dict[str, Any]:
    """Write the folder; what was written. `tokenizer`: a folder of a tokenizer; None for a model that reads bytes.

    Raises ConfigError when the checkpoint is not whole, the target exists, or a tokenizer is needed or does not fit.
    """
    if target.exists():
        raise ConfigError(f"{target}: exists. Name another folder, or remove it.")
    found = checkpoint.named(str(folder))
    config, said = lineage.config_of(found), lineage.of_checkpoint(found)
    made = target.with_name(f".{target.name}.writing")
    shutil.rmtree(made, ignore_errors=True)
    model = models.build(config.shape, seed=config.seed)
    exact = checkpoint.weights(found)
    model.load_state_dict(exact)
    model = model.to(getattr(torch, dtype))
    model.config.use_cache = True
    model.save_pretrained(made)
    _save_tokenizer(made, config, tokenizer)
    (made / "README.md").write_text(card(config, said))
    (made / lineage.FILE).write_text(json.dumps(said, indent=1))
    tensors = _verify(made, exact, getattr(torch, dtype))
    made.rename(target)
    return {"folder": str(target), "checkpoint": found.name, "tensors": tensors, "parameters": config.shape.parameters}


def _verify(folder: Path, exact: Mapping[str, torch.Tensor], dtype: torch.dtype) -> int:
    """Load it as anybody would, and compare. Raises JobFailed naming the first tensor that differs."""
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).state_dict()
    lacking = set(exact) ^ set(loaded)
    if lacking:
        raise JobFailed(f"{folder}: {len(lacking)} tensors are only on one side, the first is {min(lacking)}.")
    for name, tensor in exact.items():
        if not torch.equal(loaded[name], tensor.to(dtype)):
            raise JobFailed(f"{folder}: {name} was read back as something else.")
    return len(exact)


def _save_tokenizer(folder: Path, config: RunConfig, given: Path | None) -> None:
    """The tokenizer with a chat template, ChatML where it has none."""
    if given is None:
        if any(part.encoding != "bytes" for stage in config.stages.values() for part in stage.parts.values()):
            raise ConfigError("the model reads ids of a tokenizer: name its folder with --tokenizer.")
        tokenizer = of_bytes()
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(given)
    if len(tokenizer) > config.shape.vocabulary:
        raise ConfigError(
            f"{given}: has {len(tokenizer)} ids, the model {config.shape.vocabulary}. It is another tokenizer."
        )
    tokenizer.chat_template = tokenizer.chat_template or CHATML
    tokenizer.save_pretrained(folder)


def of_bytes() -> Any:
    """A tokenizer whose ids are the bytes, and END after them."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(BPE(vocab={char: byte for byte, char in enumerate(_letters())}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False)
    wrapped.add_special_tokens({"eos_token": "<|end|>"})
    assert wrapped.eos_token_id == byte_rows.END
    return wrapped


def _letters() -> list[str]:
    """The letter that byte-level tokenizers write each byte as: itself where it is printable, else one from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def card(config: RunConfig, said: Mapping[str, Any]) -> str:
    """The model card: what it is and every table version it was made from."""
    shape = config.shape
    about = (
        f"A Llama model of {shape.parameters:,} parameters ({shape.layers} layers, hidden size {shape.hidden_size},"
        f" {shape.vocabulary:,} ids), checkpoint `{said['checkpoint']}`: {said['tokens']:,} tokens in {said['steps']:,} steps,"
        f" seed {config.seed}, configuration `{config.digest}`."
    )
    front = ["---", "library_name: transformers", "pipeline_tag: text-generation", "---", f"# {config.name}", "", about]
    columns = "| run | stage | part | weight | table | version | release | digest |"
    lines = [*front, "", "## Data", "", columns, "|---|---|---|---:|---|---:|---|---|"]
    for row in said["data"]:
        named = (row["run"], row["stage"], row["part"], f"{row['weight']:g}", row["table"], str(row["version"]))
        lines.append(f"| {' | '.join(named)} | {row['release'] or '-'} | {row['digest'][:16] or '-'} |")
    return "\n".join([*lines, ""])
