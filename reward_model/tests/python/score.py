"""score.py MODEL_DIR TEXTS.json …: prints the rewards that transformers or sentence-transformers gives, as a JSON list of
one list for each model. A text is a string, or a conversation that the model's chat template writes."""

import json
import os
import sys

import torch


def load_adapter(folder):
    """A base model with an adapter on it, and the folder of the tokenizer: the whole model's, in which the adapter's lies."""
    import peft
    import transformers

    config = peft.PeftConfig.from_pretrained(folder)
    if config.task_type == "SEQ_CLS":
        base = transformers.AutoModelForSequenceClassification.from_pretrained(config.base_model_name_or_path, num_labels=1)
    else:
        base = transformers.AutoModel.from_pretrained(config.base_model_name_or_path)
    return peft.PeftModel.from_pretrained(base, folder), os.path.dirname(folder)


def score(folder, texts):
    adapter = None
    if os.path.exists(os.path.join(folder, "adapter_config.json")):
        adapter, folder = load_adapter(folder)
    if os.path.exists(os.path.join(folder, "modules.json")):
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(folder, device="cpu")
        if adapter is not None:
            # Pooling and the layer on top are the whole model's; the backbone is the base model with the adapter.
            own = dict(model[0].auto_model.named_parameters())
            merged = dict(adapter.merge_and_unload().named_parameters())
            with torch.no_grad():
                for name, p in own.items():
                    p.copy_(merged[name])
        rewards = model.encode(texts, batch_size=5)
        assert rewards.shape == (len(texts), 1), rewards.shape
        return [float(r[0]) for r in rewards]
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast

    # For Qwen 2, AutoTokenizer builds Qwen's own whatever class the folder names (transformers 5.23, tokenization_auto.py). That is
    # right for Qwen's models; the fixture's tokenizer is another.
    is_qwen2 = AutoConfig.from_pretrained(folder).model_type == "qwen2"
    tokenizer = (PreTrainedTokenizerFast if is_qwen2 else AutoTokenizer).from_pretrained(folder)
    model = adapter if adapter is not None else AutoModelForSequenceClassification.from_pretrained(folder)
    model.eval()
    assert model.config.num_labels == 1
    rewards = []
    with torch.inference_mode():
        for i in range(0, len(texts), 5):
            how = dict(padding=True, truncation=True, return_tensors="pt")
            if isinstance(texts[i], str):
                batch = tokenizer(texts[i : i + 5], **how)
            else:
                batch = tokenizer.apply_chat_template(texts[i : i + 5], return_dict=True, **how)
            rewards += model(**batch).logits[:, 0].tolist()
    return rewards


cases = zip(sys.argv[1::2], sys.argv[2::2])
print(json.dumps([score(folder, json.load(open(texts, encoding="utf-8"))) for folder, texts in cases]))
