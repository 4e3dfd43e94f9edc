"""score.py MODEL_DIR TEXTS.json …: prints the rewards that transformers or sentence-transformers gives, as a JSON list of
one list for each model. A text is a string, or a conversation that the model's chat template writes."""

import json
import os
import sys

import torch


def score(folder, texts):
    if os.path.exists(os.path.join(folder, "modules.json")):
        from sentence_transformers import SentenceTransformer

        rewards = SentenceTransformer(folder, device="cpu").encode(texts, batch_size=5)
        assert rewards.shape == (len(texts), 1), rewards.shape
        return [float(r[0]) for r in rewards]
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
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
