type Trap = (name: string) => void;

let trap: Trap | undefined;

/**
 * A line at which this process may die, sleep or be stopped, and nothing is lost, orphaned or done twice. It is nothing
 * but a name until a test sets a trap; a test also finds every name in the sources, and ends the process at each.
 *
 * @param name `<what is under way>.<what was just done>`, a literal, at one line only
 */
export function failpoint(name: string): void {
  trap?.(name);
}

/** From here on, whoever comes to a failpoint of this process falls into the trap. */
export function setTrap(set: Trap): void {
  trap = set;
}
