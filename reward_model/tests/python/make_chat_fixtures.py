"""Writes tests/fixtures/chat.json: templates of the published kinds, and what transformers renders and tokenises with them.
`python make_chat_fixtures.py` in the environment of install.sh; the result is committed."""

import datetime
import json
import os

import jinja2
import transformers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures")


class Day(datetime.datetime):
    """The day that Touchstone always gives: see src/chat/python.rs."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = Day

TEMPLATES = {
    # Qwen2 and Qwen2.5: ChatML with a system prompt of its own.
    "chatml": (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    # Llama 3.1 and 3.2.
    "llama3": """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    # Gemma 1 and 2.
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
    ),
    # Gemma 3: content that is a string or parts, and a system prompt within the first turn.
    "gemma3": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{{ item['text'] | trim }}{%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
""",
    # Mistral and Llama 2.
    "mistral": (
        "{{ bos_token }}{% set ns = namespace(system='', turn=0) %}"
        "{% for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = message['content'] ~ '\n\n' %}{% continue %}{% endif %}"
        "{% if message.role == 'user' %}{{ ' [INST] ' + (ns.system if ns.turn == 0 else '') + message.content.strip() + ' [/INST]' }}"
        "{% set ns.turn = ns.turn + 1 %}{% elif message.role == 'assistant' %}{{ ' ' + message.content.rstrip() + eos_token }}"
        "{% else %}{{ raise_exception('Only user, system and assistant roles are supported, not ' + message.role + '!') }}{% endif %}{% endfor %}"
    ),
    # Zephyr: blocks on lines of their own, which trim_blocks and lstrip_blocks take away.
    "zephyr": """{% for message in messages %}
  {% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
  {% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
\t{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
  {% endif %}{# a remark #}
  {%+ if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif +%}
{% endfor %}
""",
    # Qwen3: the last question is looked for from the end, thoughts are cut out of what was said before it.
    "qwen3": """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
""",
    # SmolLM3 and others that are trained on masks: {% generation %}; here also macros and what Python writes for its values.
    "values": """{%- macro turn(role, name=none) -%}
<{{ role | capitalize }}{{ ' ' ~ name if name }}>
{%- endmacro -%}
{%- set today = strftime_now("%A, %-d %B %Y %H:%M") -%}
{{ today }}|{{ tools }}|{{ add_generation_prompt }}|{{ messages | length }}|{{ 7 / 2 }}|{{ 7 // 2 }}|{{ -7 % 3 }}|{{ [1, 'a', none] }}|{{ {'k': 1.0} }}|{{ missing }}|{{ pad_token }}
{% for message in messages %}
{{ turn(message.get('role'), message.get('name')) }}
    {%- if message['role'] == 'assistant' %}
        {%- generation %}
        {%- set said = message.content %}
{{ said | tojson }}
        {% endgeneration %}
    {%- else %}
{{ message | tojson(indent=2) }}
    {%- endif %}
    {%- if loop.index > 3 %}{% break %}{% endif %}
    {%- for word in message.content.split() if word | length > 3 %}{{ word | upper }}{{ ',' if not loop.last }}{% else %}-{% endfor %}
    {%- if loop.previtem is defined %}{{ loop.previtem.role == message.role }}{% endif %}
{% endfor %}
{{ messages | map(attribute='role') | join(' ') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ (messages | first).content[:3] }} {{ (messages | last)['content'][-3:] | replace('a', '') }}
{%- for key, value in messages[0].items() %} {{ key }}={{ value | length }}{% endfor %}
{{ messages[0].content.splitlines() | tojson }} {{ 'x' in messages[0].content }} {{ {'b': [], 'a': {}, 'c': ['é', {'d': true}]} | tojson(indent=1) }} {{ {'b': [1.5, none]} | tojson(separators=(',', ':')) }} {{ 'é🙂' | tojson(ensure_ascii=true) }} {{ messages[-1].content.title() }} {{ "%s-%d" | format('a', 3) }}
{{ messages[0].content.removeprefix('please').lstrip() }}{{ 'ab'.removesuffix('b') }}{{ "a b".split(' ', 1) }}{{ 'a\u0020' "b" if false else 'c' * 2 }}{{ 'x\r\n\ny\x0b'.splitlines(true) }}
{{ messages[0].content | trim }}|{{ '--a--'.strip('-') }}{{ '--a--' | trim('-') }}|{{ [3, 1, 2] | sort | reverse | list }}{{ 'b' in ['a', 'b'] and not none }}{{ dict(a=1).items() | list }}{{ range(2) | list }}{{ 1 if x is defined else 'none' }}
{%- for value in [none, 3, 'a', [], {}, messages, missing, true] %} {{ value is iterable }} {{ value is sequence }} {{ value is mapping }} {{ value is number }} {{ value is integer }} {{ value is string }}{% endfor %} {{ missing | length }}
""",
}
TOKENS = dict(bos_token="[CLS]", eos_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]")


def said(*turns):
    return [dict(role=role, content=content) for role, content in turns]


CONVERSATIONS = [
    said(("user", "please help me"), ("assistant", "yes, thanks")),
    said(("system", "Be kind."), ("user", "Hi!"), ("assistant", "Hello.")),
    said(("user", "  \n leading and trailing \t\n"), ("assistant", "\n\nAn answer.  \n")),
    said(("user", "Übung, naïve, 你好, مرحبا 🙂"), ("assistant", "é\u00a0\u2003 “quoted” <b>&amp;</b> 'x' \"y\" \\n \u2028")),
    said(("user", "a"), ("assistant", "<think>\nhm\n</think>\n\nb"), ("user", "c"), ("assistant", "<think>so</think>d")),
    said(("system", " \x1c You are {{ terse }}. {% if %} "), ("user", "One\r\ntwo\rthree\x1f"), ("assistant", "1"), ("user", ""), ("assistant", "")),
    said(("user", "two"), ("user", "in a row"), ("assistant", "[SEP] is a token, [CLS] too")),
    said(("tool", "42"), ("assistant", "It is 42 👩‍👩‍👧 and more to come")),
    said(("assistant", "only an answer")),
]


def render(tokenizer, template, messages):
    try:
        return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    except jinja2.exceptions.TemplateError as error:
        return {"raised": str(error)}


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(FIXTURES, "tiny", "tokenizer.json"), **TOKENS)
    expected = {name: [render(tokenizer, template, messages) for messages in CONVERSATIONS] for name, template in TEMPLATES.items()}
    ids = [tokenizer.apply_chat_template(messages, chat_template=TEMPLATES["llama3"], return_dict=False) for messages in CONVERSATIONS[:3]]
    made_with = f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}"
    with open(os.path.join(FIXTURES, "chat.json"), "w", encoding="utf-8") as f:
        json.dump({"made_with": made_with, "tokens": TOKENS, "templates": TEMPLATES, "conversations": CONVERSATIONS, "expected": expected,
                   "llama3_ids": ids}, f, indent=1)
    for name, texts in expected.items():
        print(name, [text["raised"] for text in texts if isinstance(text, dict)])


main()
