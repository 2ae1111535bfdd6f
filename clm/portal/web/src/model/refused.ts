// Slugs of refusals that are the portal's own.

/** What was typed to show who one is, is not one's password. */
export const PASSWORD_REFUSED = "password_refused";
