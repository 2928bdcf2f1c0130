/**
 * Advice, from here and from the service, names commands as `curfew …`. Here they are said as they are typed: `./curfew …` in
 * a clone, with the profile where one was named.
 */
export const asTyped = (text: string, suggest: (words: string) => string): string =>
  text.replace(/`curfew ([^`]+)`/g, (_, words: string) => `\`${suggest(words)}\``);
