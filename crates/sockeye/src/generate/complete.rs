//! Completion scripts, by clap_complete.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// clap_complete offers bash every flag where nothing has been typed yet, and then no file. Verbs
/// and files are what is wanted there; flags come when a dash is typed.
const BASH_WORDS: &str = r#"
_sockeye_words() {
    _sockeye "$@"
    [[ $2 == -* || $3 == -* ]] && return
    local word words=()
    for word in "${COMPREPLY[@]}"; do
        [[ $word == -* ]] || words+=("$word")
    done
    COMPREPLY=("${words[@]}")
}
complete -F _sockeye_words -o bashdefault -o default sockeye
"#;

/// What this shell reads to complete verbs, flags, their values, and files where they are wanted.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "sockeye", &mut script);
    if shell == Shell::Bash {
        script.extend_from_slice(BASH_WORDS.as_bytes());
    }
    script
}
