-- Has the organization an admin besides this one? By status: the roles are text here.
CREATE INDEX members_admin_idx ON members (organization_id, status);
