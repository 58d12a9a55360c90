mod create_member;
mod written;
