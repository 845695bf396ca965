//! What each mode does, as those who watch it see it.

mod ends;
mod reviews;
mod world;

use taskgate_domain::{
    queue::{Conclusion, Conversation, PastTurn},
    task::work::Mode,
    usage::Usd,
};
use world::ask;

#[tokio::test(start_paused = true)]
async fn a_simple_task_is_one_answer() {
    let story = ask("Why?", Mode::Simple, r#"{"role":"poet"}"#).run().await;
    insta::assert_snapshot!(story.events(), @r#"
    AGENT_STARTED agent: Why?
    AGENT_THINKING agent: Answering
    LLM_OUTPUT final_output: Nothing but an array: [1, 2]. {"tokens_used":120,"input_tokens":100,"output_tokens":20,"cost_usd":0.001,"model_used":"m-1","provider":"acme"}
    AGENT_COMPLETED agent: Done
    "#);
    insta::assert_snapshot!(story.calls(), @r#"answer: Why? "Your role: poet" 0 sources [] []"#);
    insta::assert_snapshot!(story.metadata().to_string(), @r#"{"execution_mode":"EXECUTION_MODE_SIMPLE","model_breakdown":[{"model":"m-1","provider":"acme","executions":1,"tokens":120,"cost_usd":0.001,"percentage":100}],"unified_response":{"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","session_id":"s-1","status":"completed","result":"Nothing but an array: [1, 2].","metadata":{"model":"m-1","execution_mode":"EXECUTION_MODE_SIMPLE","complexity_score":0.0,"agents_used":1},"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120,"cost_usd":0.001},"performance":{"execution_time_ms":0},"stop_reason":"completed","error":null,"timestamp":null}}"#);
    assert_eq!(story.result(), "Nothing but an array: [1, 2].", "what cites nothing is left alone");
    assert_eq!(story.pieces(), story.result());
    let Conclusion::Complete(outcome) = story.conclusion() else { panic!("it has failed") };
    assert_eq!(
        (outcome.model.as_deref(), outcome.provider.as_deref()),
        (Some("m-1"), Some("acme"))
    );
    assert_eq!(outcome.usage.models().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_standard_task_uses_tools_first() {
    let story = ask("How many?", Mode::Standard, "{}").run().await;
    insta::assert_snapshot!(story.events(), @r#"
    AGENT_STARTED agent: How many?
    AGENT_THINKING agent: Deciding what to do next
    TOOL_INVOKED agent: How many? {"tool":"search","input":"How many?"}
    TOOL_OBSERVATION agent: About How many? 0 (doc:How many? 0): How many? 0\nAbout all 1 (doc:all 1): all 1\nAbout How many? 2 (doc:How many? 2): How many? 2\nAbout all 3 (doc:all 3): all 3\nAbout How many? 4 (doc:How many? 4): How many? 4 {"tool":"search","sources":5}
    AGENT_THINKING agent: Deciding what to do next
    TOOL_INVOKED agent: 6 * 7 {"tool":"calculator","input":"6 * 7"}
    TOOL_OBSERVATION agent: 6 * 7 = 42 {"tool":"calculator","sources":0}
    AGENT_THINKING agent: Deciding what to do next
    AGENT_THINKING agent: Answering
    LLM_OUTPUT final_output: On How many? [1] and more [2][1] or less.\n\n## Sources\n[1] About all 1 (doc:all 1)\n[2] About How many? 0 (doc:How many? 0) {"tokens_used":120,"input_tokens":100,"output_tokens":20,"cost_usd":0.001,"model_used":"m-1","provider":"acme"}
    AGENT_COMPLETED agent: Done
    "#);
    insta::assert_snapshot!(story.calls(), @r#"
    next: How many?
    next: How many?
    next: How many?
    answer: How many? "" 5 sources ["6 * 7 = 42"] []
    "#);
    insta::assert_snapshot!(story.result(), @r#"
    On How many? [1] and more [2][1] or less.

    ## Sources
    [1] About all 1 (doc:all 1)
    [2] About How many? 0 (doc:How many? 0)
    "#);
    assert_eq!(story.pieces(), story.result());
    assert!(story.metadata().get("citations").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_agent_decides_so_often_and_no_more() {
    let story = ask("forever", Mode::Standard, r#"{"max_iterations":3}"#).run().await;
    let decisions = story.calls().lines().filter(|call| call.starts_with("next")).count();
    assert_eq!(decisions, 3);
    assert_eq!(story.result(), "Nothing but an array: [1, 2].");
}

#[tokio::test(start_paused = true)]
async fn a_complex_task_is_divided() {
    let story = ask("Why?", Mode::Complex, r#"{"max_concurrent_agents":1}"#).run().await;
    insta::assert_snapshot!(story.events(), @r#"
    AGENT_STARTED planner: Why?
    AGENT_THINKING planner: Planning
    DELEGATION planner: part 1 {"to":"agent-1"}
    AGENT_STARTED agent-1: part 1
    AGENT_THINKING agent-1: Deciding what to do next
    TOOL_INVOKED agent-1: part 1 {"tool":"search","input":"part 1"}
    TOOL_OBSERVATION agent-1: About part 1 0 (doc:part 1 0): part 1 0\nAbout all 1 (doc:all 1): all 1\nAbout part 1 2 (doc:part 1 2): part 1 2\nAbout all 3 (doc:all 3): all 3\nAbout part 1 4 (doc:part 1 4): part 1 4 {"tool":"search","sources":5}
    AGENT_THINKING agent-1: Deciding what to do next
    AGENT_THINKING agent-1: Answering
    AGENT_COMPLETED agent-1: Done
    DELEGATION planner: part 2 {"to":"agent-2"}
    AGENT_STARTED agent-2: part 2
    AGENT_THINKING agent-2: Deciding what to do next
    TOOL_INVOKED agent-2: part 2 {"tool":"search","input":"part 2"}
    TOOL_OBSERVATION agent-2: About part 2 0 (doc:part 2 0): part 2 0\nAbout all 1 (doc:all 1): all 1\nAbout part 2 2 (doc:part 2 2): part 2 2\nAbout all 3 (doc:all 3): all 3\nAbout part 2 4 (doc:part 2 4): part 2 4 {"tool":"search","sources":5}
    AGENT_THINKING agent-2: Deciding what to do next
    AGENT_THINKING agent-2: Answering
    AGENT_COMPLETED agent-2: Done
    DELEGATION planner: part 3 {"to":"agent-3"}
    AGENT_STARTED agent-3: part 3
    AGENT_THINKING agent-3: Deciding what to do next
    TOOL_INVOKED agent-3: part 3 {"tool":"search","input":"part 3"}
    TOOL_OBSERVATION agent-3: About part 3 0 (doc:part 3 0): part 3 0\nAbout all 1 (doc:all 1): all 1\nAbout part 3 2 (doc:part 3 2): part 3 2\nAbout all 3 (doc:all 3): all 3\nAbout part 3 4 (doc:part 3 4): part 3 4 {"tool":"search","sources":5}
    AGENT_THINKING agent-3: Deciding what to do next
    AGENT_THINKING agent-3: Answering
    AGENT_COMPLETED agent-3: Done
    DELEGATION planner: part 4 {"to":"agent-4"}
    AGENT_STARTED agent-4: part 4
    AGENT_THINKING agent-4: Deciding what to do next
    TOOL_INVOKED agent-4: part 4 {"tool":"search","input":"part 4"}
    TOOL_OBSERVATION agent-4: About part 4 0 (doc:part 4 0): part 4 0\nAbout all 1 (doc:all 1): all 1\nAbout part 4 2 (doc:part 4 2): part 4 2\nAbout all 3 (doc:all 3): all 3\nAbout part 4 4 (doc:part 4 4): part 4 4 {"tool":"search","sources":5}
    AGENT_THINKING agent-4: Deciding what to do next
    AGENT_THINKING agent-4: Answering
    AGENT_COMPLETED agent-4: Done
    AGENT_THINKING planner: Answering
    LLM_OUTPUT final_output: On Why? [1] and more [2][1] or less [3].\n\n## Sources\n[1] About all 1 (doc:all 1)\n[2] About part 1 0 (doc:part 1 0)\n[3] About part 3 0 (doc:part 3 0) {"tokens_used":120,"input_tokens":100,"output_tokens":20,"cost_usd":0.001,"model_used":"m-1","provider":"acme"}
    AGENT_COMPLETED planner: Done
    "#);
    insta::assert_snapshot!(story.result(), @r#"
    On Why? [1] and more [2][1] or less [3].

    ## Sources
    [1] About all 1 (doc:all 1)
    [2] About part 1 0 (doc:part 1 0)
    [3] About part 3 0 (doc:part 3 0)
    "#);
    insta::assert_snapshot!(story.calls().lines().last().unwrap(), @r#"answer: Why? "" 14 sources ["On part 1 [2] and more [1][2] or less.", "On part 2 [2] and more [6][2] or less.", "On part 3 [2] and more [9][2] or less.", "On part 4 [2] and more [12][2] or less."] []"#);
    assert_eq!(story.metadata()["unified_response"]["metadata"]["agents_used"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_divides_too() {
    let story = ask("Why?", Mode::Supervisor, "{}").run().await;
    assert!(story.events().starts_with("AGENT_STARTED supervisor: Why?\n"));
    assert_eq!(story.metadata()["execution_mode"], "EXECUTION_MODE_STANDARD");
}

#[tokio::test(start_paused = true)]
async fn research_is_cited_verified_and_drawn_from() {
    let context = r#"{"force_research":true,"research_strategy":"quick",
        "enable_verification":true,"enable_fact_extraction":true,"max_concurrent_agents":1}"#;
    let story = ask("なぜ", Mode::Simple, context).run().await;
    insta::assert_snapshot!(story.events(), @r#"
    AGENT_STARTED researcher: なぜ
    AGENT_THINKING researcher: Planning
    DELEGATION researcher: part 1 {"to":"researcher-1"}
    AGENT_STARTED researcher-1: part 1
    AGENT_THINKING researcher-1: Deciding what to do next
    TOOL_INVOKED researcher-1: part 1 {"tool":"search","input":"part 1"}
    TOOL_OBSERVATION researcher-1: About part 1 0 (doc:part 1 0): part 1 0\nAbout all 1 (doc:all 1): all 1\nAbout part 1 2 (doc:part 1 2): part 1 2 {"tool":"search","sources":3}
    AGENT_THINKING researcher-1: Deciding what to do next
    AGENT_COMPLETED researcher-1: Done
    DELEGATION researcher: part 2 {"to":"researcher-2"}
    AGENT_STARTED researcher-2: part 2
    AGENT_THINKING researcher-2: Deciding what to do next
    TOOL_INVOKED researcher-2: part 2 {"tool":"search","input":"part 2"}
    TOOL_OBSERVATION researcher-2: About part 2 0 (doc:part 2 0): part 2 0\nAbout all 1 (doc:all 1): all 1\nAbout part 2 2 (doc:part 2 2): part 2 2 {"tool":"search","sources":3}
    AGENT_THINKING researcher-2: Deciding what to do next
    AGENT_COMPLETED researcher-2: Done
    AGENT_THINKING researcher: Writing by what was found
    AGENT_THINKING researcher: Checking the text against its sources
    AGENT_THINKING researcher: Drawing the facts from the text
    LLM_OUTPUT final_output: On なぜ [1] and more [2][1] or less.\n\n## 出典\n[1] About part 1 0 (doc:part 1 0)\n[2] About all 1 (doc:all 1) {"tokens_used":120,"input_tokens":100,"output_tokens":20,"cost_usd":0.001,"model_used":"m-1","provider":"acme"}
    AGENT_COMPLETED researcher: Done
    "#);
    insta::assert_snapshot!(story.calls(), @r#"
    plan: なぜ
    next: part 1
    next: part 1
    next: part 2
    next: part 2
    answer: なぜ "" 5 sources [] []
    verify: On なぜ [1] and more [2][1] or less. 2
    extract: On なぜ [1] and more [2][1] or less. 2
    "#);
    insta::assert_snapshot!(story.result(), @r#"
    On なぜ [1] and more [2][1] or less.

    ## 出典
    [1] About part 1 0 (doc:part 1 0)
    [2] About all 1 (doc:all 1)
    "#);
    insta::assert_snapshot!(format!("{:#}", story.metadata()), @r#"
    {
      "execution_mode": "EXECUTION_MODE_COMPLEX",
      "model_breakdown": [
        {
          "model": "m-1",
          "provider": "acme",
          "executions": 8,
          "tokens": 960,
          "cost_usd": 0.008,
          "percentage": 100
        }
      ],
      "unified_response": {
        "task_id": "task_01JARZ3NDEKTSV4RRFFQ69G5FA",
        "session_id": "s-1",
        "status": "completed",
        "result": "On なぜ [1] and more [2][1] or less.",
        "metadata": {
          "model": "m-1",
          "execution_mode": "EXECUTION_MODE_COMPLEX",
          "complexity_score": 0.88,
          "agents_used": 3
        },
        "usage": {
          "input_tokens": 800,
          "output_tokens": 160,
          "total_tokens": 960,
          "cost_usd": 0.008
        },
        "performance": {
          "execution_time_ms": 0
        },
        "stop_reason": "completed",
        "error": null,
        "timestamp": null
      },
      "citations": [
        {
          "url": "doc:part 1 0",
          "title": "About part 1 0",
          "source": "docs",
          "credibility_score": 1.0,
          "quality_score": 0.5
        },
        {
          "url": "doc:all 1",
          "title": "About all 1",
          "source": "docs",
          "credibility_score": 1.0,
          "quality_score": 0.75
        }
      ],
      "verification": {
        "overall_confidence": 0.47,
        "total_claims": 3,
        "supported_claims": 2,
        "unsupported_claims": [
          "made up"
        ],
        "conflicts": [
          {
            "claim": "disputed",
            "supporting_citations": [
              1
            ],
            "conflicting_citations": [
              2
            ],
            "confidence": 0.5
          }
        ],
        "claim_details": [
          {
            "claim": "sure",
            "supporting_citations": [
              1,
              2
            ],
            "conflicting_citations": [],
            "confidence": 0.9
          },
          {
            "claim": "disputed",
            "supporting_citations": [
              1
            ],
            "conflicting_citations": [
              2
            ],
            "confidence": 0.5
          },
          {
            "claim": "made up",
            "supporting_citations": [],
            "conflicting_citations": [],
            "confidence": 0.0
          }
        ]
      },
      "extracted_facts": [
        {
          "statement": "a fact of speed",
          "confidence": 0.95,
          "source_citation": [
            1
          ],
          "category": "speed",
          "entity_mentions": [
            "taskgate"
          ],
          "temporal_marker": "2025",
          "is_quantitative": true
        },
        {
          "statement": "a fact of market",
          "confidence": 1.0,
          "source_citation": [
            1
          ],
          "category": "market",
          "entity_mentions": [
            "taskgate"
          ],
          "temporal_marker": null,
          "is_quantitative": false
        },
        {
          "statement": "a fact of speed",
          "confidence": 0.3,
          "source_citation": [
            1
          ],
          "category": "speed",
          "entity_mentions": [
            "taskgate"
          ],
          "temporal_marker": null,
          "is_quantitative": false
        }
      ],
      "fact_summary": {
        "total_facts": 3,
        "high_confidence": 2,
        "categorized_facts": {
          "market": 1,
          "speed": 2
        },
        "contradiction_count": 1
      }
    }
    "#);
    assert_eq!(story.pieces(), story.result());
}

#[tokio::test(start_paused = true)]
async fn research_in_json_keeps_its_text_and_every_source() {
    let mut asked = ask("Why?", Mode::Simple, r#"{"force_research":"true"}"#);
    asked.script.text = Some(r#"{"answer": "so [2]", "of": [1, 9]}"#);
    let story = asked.run().await;
    assert_eq!(story.result(), r#"{"answer": "so [2]", "of": [1, 9]}"#);
    let citations = story.metadata()["citations"].as_array().unwrap().len();
    assert!(citations > 5, "the numbers in the text are those of all sources: {citations}");
    assert!(story.metadata().get("verification").is_none(), "it was not wished");
}

#[tokio::test(start_paused = true)]
async fn strategies_differ_in_breadth() {
    let mut breadths = Vec::new();
    for strategy in ["quick", "standard", "deep", "academic"] {
        let context = format!(r#"{{"force_research":true,"research_strategy":"{strategy}"}}"#);
        let story = ask("Why?", Mode::Complex, &context).run().await;
        let searches = story.events().matches("TOOL_INVOKED").count();
        let found = story.events().matches(r#""sources":"#).count();
        let each = story
            .events()
            .split(r#""sources":"#)
            .nth(1)
            .unwrap()
            .split('}')
            .next()
            .map(str::to_owned);
        breadths.push((searches, found, each.unwrap()));
    }
    let expected = [(2, "3"), (3, "5"), (5, "8"), (6, "10")];
    assert_eq!(breadths, expected.map(|(n, each)| (n, n, each.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn earlier_turns_are_looked_at_as_far_as_is_wished() {
    let before = Conversation {
        turns: vec![PastTurn { query: "before".to_owned(), answer: "so".to_owned() }],
        tokens: 500,
        cost: Usd::ZERO,
    };
    for (context, asked_for, seen) in [
        ("{}", Some(10), true),
        (r#"{"history_window_size":3}"#, Some(3), true),
        (r#"{"history_window_size":0}"#, None, false),
        (r#"{"history_window_size":0,"session_token_budget":1000}"#, Some(1), false),
    ] {
        let mut asked = ask("Why?", Mode::Simple, context);
        asked.queue.before = before.clone();
        let story = asked.run().await;
        assert_eq!(story.queue.told.lock().unwrap().turns, asked_for, "{context}");
        assert_eq!(story.calls().contains(r#"["before"]"#), seen, "{context}");
    }
}
