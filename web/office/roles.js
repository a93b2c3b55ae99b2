// What a page offers by role; what may be done is decided by the office, route by route.

/** Whether the reader has one of these roles. */
export function has(who, ...roles) {
  return roles.some((role) => who.roles.includes(role));
}
