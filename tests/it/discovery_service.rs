mod create_organization;
mod life;
