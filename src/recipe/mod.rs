//! What a recipe says: how it is found, merged, checked and printed.
