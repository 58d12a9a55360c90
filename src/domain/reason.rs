//! Why a call was refused, in words that programs can rely on.

macro_rules! reasons {
    ($($name:ident = $text:literal,)*) => {
        /// A stable, machine-readable reason. Each is documented by the value of the same name of the
        /// proto enum `ErrorReason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`ERROR_REASON_", $text, "`")] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The text that callers see.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    BadRequest = "BAD_REQUEST",
    RequestTooLarge = "REQUEST_TOO_LARGE",
    RouteNotFound = "ROUTE_NOT_FOUND",
    InternalServerError = "INTERNAL_SERVER_ERROR",
    ServerUnavailable = "SERVER_UNAVAILABLE",
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    ConcurrentRequest = "CONCURRENT_REQUEST",
    MemberSessionNotSupported = "MEMBER_SESSION_NOT_SUPPORTED",
    InvalidIdempotencyKey = "INVALID_IDEMPOTENCY_KEY",
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED",
    InvalidArgument = "INVALID_ARGUMENT",
    OrganizationNotFound = "ORGANIZATION_NOT_FOUND",
    InvalidOrganizationId = "INVALID_ORGANIZATION_ID",
    LiveIdUsedInTestEnvironment = "LIVE_ID_USED_IN_TEST_ENVIRONMENT",
    TestIdUsedInLiveEnvironment = "TEST_ID_USED_IN_LIVE_ENVIRONMENT",
    OrganizationNameMissing = "ORGANIZATION_NAME_MISSING",
    InvalidOrganizationName = "INVALID_ORGANIZATION_NAME",
    InvalidOrganizationSlug = "INVALID_ORGANIZATION_SLUG",
    OrganizationSlugAlreadyUsed = "ORGANIZATION_SLUG_ALREADY_USED",
    InvalidOrganizationExternalId = "INVALID_ORGANIZATION_EXTERNAL_ID",
    OrganizationExternalIdAlreadyUsed = "ORGANIZATION_EXTERNAL_ID_ALREADY_USED",
    OrganizationLogoUrlTooLong = "ORGANIZATION_LOGO_URL_TOO_LONG",
    InvalidUrl = "INVALID_URL",
    MetadataTooManyKeys = "METADATA_TOO_MANY_KEYS",
    MetadataTooLarge = "METADATA_TOO_LARGE",
    MetadataInvalidFormat = "METADATA_INVALID_FORMAT",
    InvalidOrganizationAuthFactorSetting = "INVALID_ORGANIZATION_AUTH_FACTOR_SETTING",
    InvalidOrganizationAuthMethodSettings = "INVALID_ORGANIZATION_AUTH_METHOD_SETTINGS",
    InvalidOrganizationAllowedAuthMethods = "INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS",
    AllowedAuthMethodsRequiredForRestricted = "ALLOWED_AUTH_METHODS_REQUIRED_FOR_RESTRICTED",
    InvalidOrganizationMfaPolicy = "INVALID_ORGANIZATION_MFA_POLICY",
    InvalidOrganizationMfaFactorSetting = "INVALID_ORGANIZATION_MFA_FACTOR_SETTING",
    InvalidOrganizationAllowedMfaMethods = "INVALID_ORGANIZATION_ALLOWED_MFA_METHODS",
    AllowedMfaMethodsRequiredForRestricted = "ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED",
    InvalidRestrictedEmailSetting = "INVALID_RESTRICTED_EMAIL_SETTING",
    InvalidRestrictedOauthTenantsSetting = "INVALID_RESTRICTED_OAUTH_TENANTS_SETTING",
    OrganizationSettingsInvalidDomain = "ORGANIZATION_SETTINGS_INVALID_DOMAIN",
    OrganizationSettingsDuplicateDomain = "ORGANIZATION_SETTINGS_DUPLICATE_DOMAIN",
    OrganizationSettingsDomainTooCommon = "ORGANIZATION_SETTINGS_DOMAIN_TOO_COMMON",
    OrganizationSettingsDisposableDomain = "ORGANIZATION_SETTINGS_DISPOSABLE_DOMAIN",
    OrganizationSettingsInvalidClaimedDomain = "ORGANIZATION_SETTINGS_INVALID_CLAIMED_DOMAIN",
    OrganizationSettingsDuplicateClaimedDomain = "ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN",
    OrganizationSettingsClaimedDomainTooCommon = "ORGANIZATION_SETTINGS_CLAIMED_DOMAIN_TOO_COMMON",
    TooManyDomains = "TOO_MANY_DOMAINS",
    InvalidOauthProvider = "INVALID_OAUTH_PROVIDER",
    InvalidOauthAllowedTenantsFormat = "INVALID_OAUTH_ALLOWED_TENANTS_FORMAT",
    RbacInvalidDomain = "RBAC_INVALID_DOMAIN",
    RbacDomainTooCommon = "RBAC_DOMAIN_TOO_COMMON",
    InvalidRbacRoleAssignment = "INVALID_RBAC_ROLE_ASSIGNMENT",
    InvalidRbacRoleId = "INVALID_RBAC_ROLE_ID",
    CannotAssignDefaultRbacRoleId = "CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID",
    InvalidEmail = "INVALID_EMAIL",
    InvalidAuthenticationFactor = "INVALID_AUTHENTICATION_FACTOR",
    InvalidSessionToken = "INVALID_SESSION_TOKEN",
    IntermediateSessionNotFound = "INTERMEDIATE_SESSION_NOT_FOUND",
    IntermediateSessionInUse = "INTERMEDIATE_SESSION_IN_USE",
    InvalidIntermediateSessionTokenForOrganization = "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION",
    ActionNotAllowedEmailDomainIsClaimed = "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED",
    DiscoveryOrganizationCreationDisabled = "DISCOVERY_ORGANIZATION_CREATION_DISABLED",
    InvalidSessionDurationMinutes = "INVALID_SESSION_DURATION_MINUTES",
    CustomClaimsTooLarge = "CUSTOM_CLAIMS_TOO_LARGE",
    StytchClaimsInCustomClaims = "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS",
    UnableToRepresentCustomClaimsJson = "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON",
    MemberNotFound = "MEMBER_NOT_FOUND",
    SessionNotFound = "SESSION_NOT_FOUND",
    EtagMismatch = "ETAG_MISMATCH",
    LastAdminRemoval = "LAST_ADMIN_REMOVAL",
    InvalidSsoDefaultConnectionId = "INVALID_SSO_DEFAULT_CONNECTION_ID",
    InvalidConnectionForJitProvisioning = "INVALID_CONNECTION_FOR_JIT_PROVISIONING",
    InvalidRestrictedSsoSetting = "INVALID_RESTRICTED_SSO_SETTING",
    OrganizationSearchFilterNameNotRecognized = "ORGANIZATION_SEARCH_FILTER_NAME_NOT_RECOGNIZED",
    OrganizationSearchMissingFilterName = "ORGANIZATION_SEARCH_MISSING_FILTER_NAME",
    OrganizationSearchMissingFilterValue = "ORGANIZATION_SEARCH_MISSING_FILTER_VALUE",
    OrganizationSearchExpectedString = "ORGANIZATION_SEARCH_EXPECTED_STRING",
    OrganizationSearchExpectedArrayOfStrings = "ORGANIZATION_SEARCH_EXPECTED_ARRAY_OF_STRINGS",
    OrganizationSearchExpectedBoolean = "ORGANIZATION_SEARCH_EXPECTED_BOOLEAN",
    OrganizationSearchOrganizationSlugFuzzyTooShort = "ORGANIZATION_SEARCH_ORGANIZATION_SLUG_FUZZY_TOO_SHORT",
    OrganizationSearchOrganizationNameFuzzyTooShort = "ORGANIZATION_SEARCH_ORGANIZATION_NAME_FUZZY_TOO_SHORT",
    OrganizationSearchMemberEmailFuzzyTooShort = "ORGANIZATION_SEARCH_MEMBER_EMAIL_FUZZY_TOO_SHORT",
    OrganizationSearchAllowedDomainFuzzyTooShort = "ORGANIZATION_SEARCH_ALLOWED_DOMAIN_FUZZY_TOO_SHORT",
    UserSearchInvalidOperator = "USER_SEARCH_INVALID_OPERATOR",
    UserSearchInvalidCursor = "USER_SEARCH_INVALID_CURSOR",
    UserSearchInvalidLimit = "USER_SEARCH_INVALID_LIMIT",
    SearchTimeout = "SEARCH_TIMEOUT",
    MemberSearchFilterNameNotRecognized = "MEMBER_SEARCH_FILTER_NAME_NOT_RECOGNIZED",
    MemberSearchMissingFilterName = "MEMBER_SEARCH_MISSING_FILTER_NAME",
    MemberSearchMissingFilterValue = "MEMBER_SEARCH_MISSING_FILTER_VALUE",
    MemberSearchExpectedString = "MEMBER_SEARCH_EXPECTED_STRING",
    MemberSearchExpectedArrayOfStrings = "MEMBER_SEARCH_EXPECTED_ARRAY_OF_STRINGS",
    MemberSearchExpectedBoolean = "MEMBER_SEARCH_EXPECTED_BOOLEAN",
    MemberSearchFuzzyTooShort = "MEMBER_SEARCH_FUZZY_TOO_SHORT",
    MemberSearchOrganizationIdsEmpty = "MEMBER_SEARCH_ORGANIZATION_IDS_EMPTY",
    MemberSearchCannotMixInternalAndExternalMemberIds = "MEMBER_SEARCH_CANNOT_MIX_INTERNAL_AND_EXTERNAL_MEMBER_IDS",
    DuplicateMemberEmail = "DUPLICATE_MEMBER_EMAIL",
    DuplicateMemberExternalId = "DUPLICATE_MEMBER_EXTERNAL_ID",
    DuplicateMemberPhoneNumber = "DUPLICATE_MEMBER_PHONE_NUMBER",
    DuplicateMemberPhoneNumberForMember = "DUPLICATE_MEMBER_PHONE_NUMBER_FOR_MEMBER",
    InvalidMemberId = "INVALID_MEMBER_ID",
    InvalidMemberExternalId = "INVALID_MEMBER_EXTERNAL_ID",
    InvalidPhoneNumber = "INVALID_PHONE_NUMBER",
    InvalidMfaDefaultMethod = "INVALID_MFA_DEFAULT_METHOD",
    DefaultMfaMemberMissingFactor = "DEFAULT_MFA_MEMBER_MISSING_FACTOR",
    InvalidMemberGetFields = "INVALID_MEMBER_GET_FIELDS",
    TooManyRoles = "TOO_MANY_ROLES",
    NoDeletedMemberFoundForReactivation = "NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION",
    EmailUnverifiedForReactivation = "EMAIL_UNVERIFIED_FOR_REACTIVATION",
    ReactivationEmailBelongsToAnotherMember = "REACTIVATION_EMAIL_BELONGS_TO_ANOTHER_MEMBER",
    RetiredEmailMissingEmailIdentifiers = "RETIRED_EMAIL_MISSING_EMAIL_IDENTIFIERS",
    EmailNotFound = "EMAIL_NOT_FOUND",
    UserAlreadyInvited = "USER_ALREADY_INVITED",
    EmailInvitesNotAllowed = "EMAIL_INVITES_NOT_ALLOWED",
    InvalidEmailForInvites = "INVALID_EMAIL_FOR_INVITES",
    InvalidLocale = "INVALID_LOCALE",
    MemberPhoneNumberNotFound = "MEMBER_PHONE_NUMBER_NOT_FOUND",
    UnableToParseSessionJwt = "UNABLE_TO_PARSE_SESSION_JWT",
    JwtInvalidAudience = "JWT_INVALID_AUDIENCE",
    JwtInvalidIssuer = "JWT_INVALID_ISSUER",
    JwtInvalidClaims = "JWT_INVALID_CLAIMS",
    NoSessionArguments = "NO_SESSION_ARGUMENTS",
    TooManySessionArguments = "TOO_MANY_SESSION_ARGUMENTS",
    NoSessionRevokeArguments = "NO_SESSION_REVOKE_ARGUMENTS",
    TooManySessionRevokeArguments = "TOO_MANY_SESSION_REVOKE_ARGUMENTS",
    EmailJitProvisioningNotAllowed = "EMAIL_JIT_PROVISIONING_NOT_ALLOWED",
    InvalidEmailForJitProvisioning = "INVALID_EMAIL_FOR_JIT_PROVISIONING",
    OauthTenantJitProvisioningNotAllowed = "OAUTH_TENANT_JIT_PROVISIONING_NOT_ALLOWED",
    InvalidOauthTenantForJitProvisioning = "INVALID_OAUTH_TENANT_FOR_JIT_PROVISIONING",
    RetiredMemberEmail = "RETIRED_MEMBER_EMAIL",
    SessionAuthorizationError = "SESSION_AUTHORIZATION_ERROR",
    SessionAuthorizationTenancyError = "SESSION_AUTHORIZATION_TENANCY_ERROR",
    InsufficientFactorsForSessionExchange = "INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE",
    InvalidPermissionResource = "INVALID_PERMISSION_RESOURCE",
    InvalidPermissionAction = "INVALID_PERMISSION_ACTION",
    UnauthorizedCredentials = "UNAUTHORIZED_CREDENTIALS",
    InvalidAuthorizationHeader = "INVALID_AUTHORIZATION_HEADER",
    CallerNotPermitted = "CALLER_NOT_PERMITTED",
    TooManyRequests = "TOO_MANY_REQUESTS",
}

/// One thing that is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The path of the field, for example `email_allowed_domains[2]`.
    pub field: String,
    /// The rule that was broken.
    pub reason: Reason,
    /// The rule in words: a lower-case fragment that never repeats the value.
    pub description: String,
    /// More for machines, documented at the reason.
    pub metadata: Vec<(&'static str, String)>,
}

impl Violation {
    /// A violation without metadata.
    pub fn new(field: impl Into<String>, reason: Reason, description: impl Into<String>) -> Self {
        Self { field: field.into(), reason, description: description.into(), metadata: Vec::new() }
    }

    /// Adds to the metadata.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }
}
