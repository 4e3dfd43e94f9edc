//! Which rows count. History is append-only: an edit or an undo is a row that supersedes another, and what no row supersedes is in
//! force. Of judgements, one that is `withdrawn` says that nothing stands in the place of what it supersedes.

/// The condition that a row is superseded by none, for SQL: `in_force!(judgement j)`, where `j` is what the query calls the row; with
/// `as of "$2"` by none until that time.
macro_rules! in_force {
    ($table:ident $row:ident) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM ",
            stringify!($table),
            " n WHERE n.supersedes = ",
            stringify!($row),
            ".id)"
        )
    };
    ($table:ident $row:ident as of $time:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM ",
            stringify!($table),
            " n WHERE n.supersedes = ",
            stringify!($row),
            ".id AND n.created_at <= ",
            $time,
            ")"
        )
    };
}

pub(crate) use in_force;
