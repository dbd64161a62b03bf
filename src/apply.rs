//! The small installer: verify, apply, roll back, status; the same code as in `cumulate`.

fn main() -> std::process::ExitCode {
    cumulate::cli::apply_main()
}
