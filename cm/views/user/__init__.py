"""Views for people, about what is theirs or shared with them."""
