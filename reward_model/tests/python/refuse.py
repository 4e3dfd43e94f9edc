"""refuse.py MODEL_DIR …: opens each folder as a transformers classifier and as a CrossEncoder, and prints what they say, as a JSON
list; a folder that opens is an error."""

import json
import sys

from sentence_transformers import CrossEncoder
from transformers import AutoModelForSequenceClassification

said = []
for folder in sys.argv[1:]:
    for name, open_as in [
        ("AutoModelForSequenceClassification", AutoModelForSequenceClassification.from_pretrained),
        ("CrossEncoder", CrossEncoder),
    ]:
        try:
            open_as(folder)
        except Exception as error:
            said.append(str(error))
        else:
            sys.exit(f"{folder} opened as {name}")
print(json.dumps(said))
