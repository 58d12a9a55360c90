mod create_organization;
