"""Writes tests/fixtures/tiny: a random BERT classifier of 100 kB, a WordPiece tokenizer of letters and a few words, and
what PyTorch computes with them. `python make_fixture.py` in the environment of install.sh; the result is committed."""

import json
import os
import string

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "tiny")
os.makedirs(OUT, exist_ok=True)
torch.manual_seed(7)

special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
words = "human assistant system : ! ? . , good bad kind rude help me please the a is to you yes no thanks sorry".split()
letters = list(string.ascii_lowercase + string.digits)
tokens = dict.fromkeys(special + words + letters + ["##" + c for c in letters])
vocab = {token: i for i, token in enumerate(tokens)}
tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer()
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokenizer.decoder = decoders.WordPiece()
tokenizer.add_special_tokens(special)
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
)
tokenizer.save(os.path.join(OUT, "tokenizer.json"), pretty=False)

config = BertConfig(
    vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=96, num_labels=1, initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)
model = BertForSequenceClassification(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        # Biases and layer norms start as zeros and ones, which would hide a mistake in either.
        if p.dim() == 1:
            p.add_(torch.randn_like(p) * 0.1)
config.architectures = ["BertForSequenceClassification"]
with open(os.path.join(OUT, "config.json"), "w") as f:
    json.dump(json.loads(config.to_json_string(use_diff=False)), f, indent=1, sort_keys=True)
save_file({k: v.contiguous() for k, v in model.state_dict().items()}, os.path.join(OUT, "model.safetensors"), {"format": "pt"})

pairs = [
    ("Human: please help me!\n\nAssistant: yes, good", "Human: please help me!\n\nAssistant: no"),
    ("Human: is the a bad?\n\nAssistant: sorry, you is rude " + "to me " * 12, "Human: is the a bad?\n\nAssistant: xyz42"),
]
margins = torch.tensor([0.0, 0.3])
texts = [t for p in pairs for t in p]
ids = [tokenizer.encode(t).ids for t in texts]
rewards = torch.stack([model(input_ids=torch.tensor([i])).logits[0, 0] for i in ids])
means = [model.bert(input_ids=torch.tensor([i])).last_hidden_state[0].mean(0).tolist() for i in ids]
loss = -torch.nn.functional.logsigmoid(rewards[0::2] - rewards[1::2] - margins).mean()
loss.backward()
gradients = {}
for name, p in model.named_parameters():
    g = p.grad.flatten()
    gradients[name] = {"norm": g.norm().item(), "values": g[:: max(1, len(g) // 7)][:7].tolist(), "every": max(1, len(g) // 7)}
with open(os.path.join(OUT, "expected.json"), "w") as f:
    json.dump({"made_with": f"torch {torch.__version__}", "texts": texts, "ids": ids, "margins": margins.tolist(), "rewards": rewards.tolist(), "means": means,
               "loss": loss.item(), "gradients": gradients}, f, indent=1)
print(loss.item(), rewards.tolist())
