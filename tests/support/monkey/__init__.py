"""Programs that are monkeypatched: `monkeyed` is what they share, `legacy` what they make green."""
