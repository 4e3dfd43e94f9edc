"""Writes tests/fixtures: for each family of models a tiny random reward model, a tokenizer of letters and a few words, and what
PyTorch computes with them. `python make_fixtures.py [NAME…]` in the environment of install.sh; the results are committed."""

import functools
import json
import os
import string
import sys

import torch
import transformers as t
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures")

special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
words = "human assistant system : ! ? . , good bad kind rude help me please the a is to you yes no thanks sorry".split()
letters = list(string.ascii_lowercase + string.digits)
tokens = dict.fromkeys(special + words + letters + ["##" + c for c in letters])
vocab = {token: i for i, token in enumerate(tokens)}


def tokenizer(template):
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.add_special_tokens(special)
    ids = [("[CLS]", 2), ("[SEP]", 3)]
    if template:
        made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids)
    return made


pairs = [
    ("Human: please help me!\n\nAssistant: yes, good", "Human: please help me!\n\nAssistant: no"),
    ("Human: is the a bad?\n\nAssistant: sorry, you is rude " + "to me " * 12, "Human: is the a bad?\n\nAssistant: xyz42"),
]
margins = torch.tensor([0.0, 0.3])

shared = dict(vocab_size=len(vocab), num_labels=1, initializer_range=0.2, pad_token_id=0, bos_token_id=2, eos_token_id=3)
sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=96)
# Four heads over two key heads; three layers, so that windows and wholes both appear.
decoder = sizes | dict(num_key_value_heads=2, num_hidden_layers=3)
off = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
llama3 = {"rope_type": "llama3", "rope_theta": 1000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 48}
windows = dict(layer_types=["sliding_attention", "full_attention", "sliding_attention"], sliding_window=7)
families = {
    "tiny": lambda: t.BertForSequenceClassification(t.BertConfig(**sizes, **off, vocab_size=len(vocab), num_labels=1, initializer_range=0.2)),
    "distilbert": lambda: t.DistilBertForSequenceClassification(t.DistilBertConfig(
        **shared, dim=32, hidden_dim=64, n_heads=4, n_layers=2, max_position_embeddings=96, dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0)),
    "roberta": lambda: t.XLMRobertaForSequenceClassification(t.XLMRobertaConfig(**shared, **sizes, **off, type_vocab_size=1)),
    "deberta": lambda: t.DebertaV2ForSequenceClassification(t.DebertaV2Config(
        **shared, **sizes, **off, relative_attention=True, share_att_key=True, position_buckets=8, max_relative_positions=-1, norm_rel_ebd="layer_norm",
        pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0, pooler_dropout=0, pooler_hidden_act="gelu", pooler_hidden_size=32)),
    "modernbert": lambda: t.ModernBertForSequenceClassification(t.ModernBertConfig(
        **shared | dict(cls_token_id=2, sep_token_id=3), **sizes | dict(num_hidden_layers=3), local_attention=8, global_attn_every_n_layers=2,
        classifier_pooling="mean", norm_bias=False, attention_bias=False, mlp_bias=False)),
    "llama": lambda: t.LlamaForSequenceClassification(t.LlamaConfig(**shared, **decoder, rope_parameters=llama3)),
    "qwen2": lambda: t.Qwen2ForSequenceClassification(t.Qwen2Config(**shared, **decoder, use_sliding_window=True, max_window_layers=0, **windows)),
    "qwen3": lambda: t.Qwen3ForSequenceClassification(t.Qwen3Config(**shared, **decoder, head_dim=16)),
    "gemma2": lambda: t.Gemma2ForSequenceClassification(t.Gemma2Config(
        **shared, **decoder, head_dim=16, query_pre_attn_scalar=16, attn_logit_softcapping=2.0, **windows)),
    "gemma3": lambda: t.Gemma3TextForSequenceClassification(t.Gemma3TextConfig(**shared, **decoder, head_dim=16, query_pre_attn_scalar=16, **windows)),
}


def make(name, build):
    out = os.path.join(OUT, name)
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(7)
    model = build().eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for _, p in model.named_parameters():
            # Biases and norms start as zeros and ones, which would hide a mistake in either.
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
    model.config.architectures = [type(model).__name__]
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump(json.loads(model.config.to_json_string(use_diff=False)), f, indent=1, sort_keys=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, os.path.join(out, "model.safetensors"), {"format": "pt"})
    is_decoder = hasattr(model, "score")
    texts_tokenizer = tokenizer(template=not is_decoder)
    texts_tokenizer.save(os.path.join(out, "tokenizer.json"), pretty=False)
    texts = [text for pair in pairs for text in pair]
    ids = [texts_tokenizer.encode(text).ids for text in texts]
    means = [model.base_model(input_ids=torch.tensor([i])).last_hidden_state[0].mean(0).tolist() for i in ids]
    expect(out, model, {"texts": texts, "ids": ids, "means": means}, lambda key: key)
    print(name)


def expect(out, model, known, name):
    """Writes what PyTorch computes with a model, its gradients under the names that `name` gives."""
    rewards = torch.stack([model(input_ids=torch.tensor([i])).logits[0, 0] for i in known["ids"]])
    loss = -torch.nn.functional.logsigmoid(rewards[0::2] - rewards[1::2] - margins).mean()
    loss.backward()
    gradients = {}
    for key, p in model.named_parameters():
        if p.grad is None:
            # A weight that the model has but does not use, or one that stays.
            continue
        g = p.grad.flatten()
        every = max(1, len(g) // 7)
        gradients[name(key)] = {"norm": g.norm().item(), "values": g[::every][:7].tolist(), "every": every}
    versions = f"torch {torch.__version__}, transformers {t.__version__}"
    with open(os.path.join(out, "expected.json"), "w") as f:
        json.dump({"made_with": versions, **known, "margins": margins.tolist(), "rewards": rewards.tolist(), "loss": loss.item(),
                   "gradients": gradients}, f, indent=1)


# Low-rank adapters of the fixtures above, made by peft.
adapters = {
    "tiny-lora": ("tiny", ["query", "value"], ["classifier", "pooler"]),
    "tiny-lora-all": ("tiny", ["query", "key", "value", "dense"], ["classifier", "pooler"]),
    "qwen3-lora": ("qwen3", ["q_proj", "v_proj"], ["score"]),
}


def make_adapter(name, base, targets, head):
    import peft

    out, base_folder = os.path.join(OUT, name), os.path.join(OUT, base)
    torch.manual_seed(11)
    model = t.AutoModelForSequenceClassification.from_pretrained(base_folder, attn_implementation="eager")
    config = peft.LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=6, lora_dropout=0.0, target_modules=targets, modules_to_save=head)
    model = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            # B starts as zero, which would hide A; the head as the base model's, which would hide that it is saved.
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.1)
    model.save_pretrained(out)
    os.remove(os.path.join(out, "README.md"))
    path = os.path.join(out, "adapter_config.json")
    with open(path) as f:
        saved = json.load(f)
    # Not where this machine keeps it.
    saved["base_model_name_or_path"] = base
    saved["target_modules"].sort()
    with open(path, "w") as f:
        json.dump(saved, f, indent=1, sort_keys=True)
    with open(os.path.join(base_folder, "expected.json")) as f:
        known = json.load(f)
    wrappers = ["base_model.model.", "modules_to_save.default.", ".default"]
    plain = lambda key: functools.reduce(lambda key, wrapper: key.replace(wrapper, ""), wrappers, key)
    expect(out, model, {"base": base, "peft": peft.__version__, "ids": known["ids"]}, plain)
    print(name)


for name in sys.argv[1:] or [*families, *adapters]:
    if name in adapters:
        make_adapter(name, *adapters[name])
    else:
        make(name, families[name])
