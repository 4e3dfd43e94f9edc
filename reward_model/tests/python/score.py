"""score.py MODEL_DIR TEXTS.json: prints the rewards that transformers or sentence-transformers gives, as a JSON list."""

import json
import os
import sys

import torch

folder, texts = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
if os.path.exists(os.path.join(folder, "modules.json")):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    rewards = model.encode(texts, batch_size=5)
    assert rewards.shape == (len(texts), 1), rewards.shape
    rewards = [float(r[0]) for r in rewards]
else:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert model.config.num_labels == 1
    rewards = []
    with torch.inference_mode():
        for i in range(0, len(texts), 5):
            batch = tokenizer(texts[i : i + 5], padding=True, truncation=True, return_tensors="pt")
            rewards += model(**batch).logits[:, 0].tolist()
print(json.dumps(rewards))
