//! All short inputs of a parser, for its tests.

/// Every row of at most `length` of these words.
pub(crate) fn rows(words: &[&str], length: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut begun = 0;
    for _ in 0..length {
        let longer: Vec<String> = rows[begun..]
            .iter()
            .flat_map(|row| words.iter().map(move |word| format!("{row}{word}")))
            .collect();
        begun = rows.len();
        rows.extend(longer);
    }
    rows
}
