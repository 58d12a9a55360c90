-- Whose phone number is this in the organization? A deleted member's is free.
CREATE UNIQUE INDEX members_mfa_phone_number_key
ON members (organization_id, mfa_phone_number) WHERE mfa_phone_number <> '' AND status <> 'deleted';
