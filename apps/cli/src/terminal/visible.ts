// Control characters, invisible format characters (bidirectional overrides above all), line separators, lone surrogates.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const UNSAFE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text of others on one line, as it may be shown: what a terminal would obey, or a reader would not see, is written out.
 */
export function visible(text: unknown): string {
  return String(text)
    .replace(/\r\n|[\n\t]/g, ' ')
    .replace(UNSAFE, escaped);
}

/** The same for text of several lines. */
export function visibleLines(text: unknown): string[] {
  return String(text)
    .split(/\r\n|\n/)
    .map((line) => line.replaceAll('\t', '  ').replace(UNSAFE, escaped));
}

/** JSON that a terminal may be given: the same document, with every character that could do something written as `\u`. */
export function safeJson(value: unknown, indent?: number): string {
  const unit = (code: string): string => `\\u${code.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return (JSON.stringify(value, undefined, indent) ?? 'null').replace(UNSAFE_IN_JSON, (character) =>
    character.split('').map(unit).join(''),
  );
}

const escaped = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
