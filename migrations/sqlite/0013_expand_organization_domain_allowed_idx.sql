-- Which organizations let people of this domain join, the oldest first?
CREATE INDEX organization_domains_allowed_idx
ON organization_domains (domain, organization_id) WHERE kind = 'allowed';
