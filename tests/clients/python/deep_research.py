"""Submits a deep-research query and prints every part of what comes back."""

import json
import time

import httpx

from gateway import HEADERS, URL

body = {
    "query": "What moves renewable energy in 2026?",
    "context": {"force_research": True, "enable_verification": True, "enable_fact_extraction": True},
}
task_id = httpx.post(URL, headers=HEADERS, json=body).json()["task_id"]
for _ in range(150):
    task = httpx.get(f"{URL}/{task_id}", headers=HEADERS).json()
    if task["status"] not in ("TASK_STATUS_QUEUED", "TASK_STATUS_RUNNING"):
        break
    time.sleep(0.2)

metadata = task["metadata"]
for number, citation in enumerate(metadata["citations"], start=1):
    cited = f"[{number}]" in task["result"]
    print(f"[{number}] {citation['title']} <{citation['url']}> by {citation['source']}, "
          f"{citation['credibility_score']}/{citation['quality_score']}, cited {cited}")
verification = metadata["verification"]
print(f"verified {verification['supported_claims']} of {verification['total_claims']} "
      f"at {verification['overall_confidence']}")
for claim in verification["claim_details"]:
    print(f"claim {claim['claim']!r} by {claim['supporting_citations']}")
for fact in metadata["extracted_facts"]:
    print(f"fact {fact['statement']!r} {fact['category']} {fact['is_quantitative']}")
print(f"facts {metadata['fact_summary']['total_facts']}")
print(f"unified {metadata['unified_response']['stop_reason']} {task['unified_response'] is not None}")
print(f"model {task['model_used']} of {task['provider']}")
print(f"usage {json.dumps(task['usage'])}")
