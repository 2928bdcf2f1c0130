// Plain ASCII on purpose: no two names that look alike. And none that every object in JavaScript has: of all those, this one
// alone is spelled like a name.
const WORD = '(?!constructor(?:/|$))[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?';

/** What targets and entitlements may be called. */
export const NAME = new RegExp(`^${WORD}$`);
export const NAME_WORDS = 'lower-case letters, digits, and . _ - in between; 63 at most; not "constructor"';

/** `<target>/<entitlement>` */
export const ENTITLEMENT_NAME = new RegExp(`^${WORD}/${WORD}$`);
