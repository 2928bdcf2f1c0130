/** One letter in three may be wrong: more than that is another word. */
const LETTERS_PER_MISTAKE = 3;

/** What was meant, of these: those with the fewest mistakes; none when nothing is near. */
export function nearest(word: string, candidates: Iterable<string>): string[] {
  const near = [...new Set(candidates)].flatMap((candidate) => {
    const allowed = Math.floor(Math.max(word.length, candidate.length) / LETTERS_PER_MISTAKE);
    if (Math.abs(word.length - candidate.length) > allowed) return [];
    const distance = mistakes(word, candidate);
    return distance <= allowed ? [{ candidate, distance }] : [];
  });
  const fewest = Math.min(...near.map(({ distance }) => distance));
  return near.flatMap(({ candidate, distance }) => (distance === fewest ? [candidate] : []));
}

/** Letters left out, added or wrong, and neighbours that changed places (optimal string alignment). */
function mistakes(typed: string, meant: string): number {
  const rows = [Array.from({ length: meant.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Infinity;
  for (let row = 1; row <= typed.length; row += 1) {
    rows.push([row]);
    for (let column = 1; column <= meant.length; column += 1) {
      const isRight = typed[row - 1] === meant[column - 1];
      const isSwapped = typed[row - 1] === meant[column - 2] && typed[row - 2] === meant[column - 1];
      rows[row]?.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (isRight ? 0 : 1),
          row > 1 && isSwapped ? at(row - 2, column - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(typed.length, meant.length);
}
