//! What tasks are run with, on the command line.

use clap::Args;

/// Where the help lists the flags that say how tasks are run.
const TASKS: &str = "Running tasks";

/// The settings of whoever runs tasks.
#[derive(Debug, Default, Args)]
pub(crate) struct ExecutorFlags {
    /// How many tasks this process runs at the same time; 0 runs none [default:
    /// 0, of dev and worker 4]
    #[arg(long, value_name = "N", help_heading = TASKS)]
    workers: Option<String>,
    /// A folder of texts (.md, .txt) to answer by, besides taskgate's own
    /// documentation [default: none]
    #[arg(long, value_name = "FOLDER", help_heading = TASKS)]
    corpus: Option<String>,
    /// Where a model answers: the base URL of an endpoint that speaks OpenAI's
    /// chat completions, such as http://127.0.0.1:11434/v1; without one,
    /// answers are extracts from the texts [default: none]
    #[arg(long, value_name = "URL", help_heading = TASKS)]
    model_base_url: Option<String>,
    /// The endpoint's key; others can see it here, so prefer
    /// TASKGATE_MODEL_API_KEY [default: none]
    #[arg(long, value_name = "KEY", help_heading = TASKS)]
    model_api_key: Option<String>,
    /// What the endpoint's owner is called in results [default: none, which is
    /// openai for api.openai.com and custom for any other]
    #[arg(long, value_name = "NAME", help_heading = TASKS)]
    model_provider: Option<String>,
    /// The model of the tier small [default: none]
    #[arg(long, value_name = "MODEL", help_heading = TASKS)]
    model_small: Option<String>,
    /// The model of the tier medium, which is that of tasks that name none;
    /// each tier without a model uses the next that has one [default: none]
    #[arg(long, value_name = "MODEL", help_heading = TASKS)]
    model_medium: Option<String>,
    /// The model of the tier large [default: none]
    #[arg(long, value_name = "MODEL", help_heading = TASKS)]
    model_large: Option<String>,
    /// What models cost, in US dollars for a million tokens in and out:
    /// MODEL=IN/OUT, with commas between them [default: none]
    #[arg(long, value_name = "PRICES", help_heading = TASKS)]
    model_prices: Option<String>,
    /// How long a model may say nothing, before an answer and within it, in
    /// seconds, 1 to 3600 [default: 120]
    #[arg(long, value_name = "SECONDS", help_heading = TASKS)]
    model_timeout: Option<String>,
}

impl ExecutorFlags {
    /// The settings that were given, by the names they have in a file.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        super::given([
            ("workers", &self.workers),
            ("corpus", &self.corpus),
            ("model_base_url", &self.model_base_url),
            ("model_api_key", &self.model_api_key),
            ("model_provider", &self.model_provider),
            ("model_small", &self.model_small),
            ("model_medium", &self.model_medium),
            ("model_large", &self.model_large),
            ("model_prices", &self.model_prices),
            ("model_timeout", &self.model_timeout),
        ])
    }
}
