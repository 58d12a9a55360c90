mod batch_create_members;
mod create_member;
mod delete_member;
mod get_member;
mod invite_member;
mod reactivate_member;
mod written;
