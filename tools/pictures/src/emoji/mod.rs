//! `emoji`: not made yet.

/// Says so.
pub fn run(_: &crate::cli::EmojiOptions) -> anyhow::Result<()> {
    anyhow::bail!("the emoji set is not made yet")
}
