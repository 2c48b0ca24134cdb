"""[[route]] entries as a file of configuration."""
import json


def routes(*entries):
    """JSON is TOML as far as our values go."""
    return "".join("[[route]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
                   for entry in entries)
