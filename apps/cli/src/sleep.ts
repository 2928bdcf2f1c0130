import { setTimeout as pause } from 'node:timers/promises';
import { Interrupted } from './failure';

/** @throws Interrupted at once when Ctrl-C comes */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(milliseconds, undefined, { signal });
  } catch {
    throw new Interrupted();
  }
}
