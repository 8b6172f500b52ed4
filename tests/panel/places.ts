// Where things are in the panel, once they are at rest.
import type { Locator } from 'playwright-core';
import { expect } from 'vitest';

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export async function boxOf(place: Locator): Promise<Box> {
  const box = await place.boundingBox();
  if (!box) throw new Error('it is not on screen');
  return box;
}

/** The same once it is at rest: what is in a view is placed after the view is drawn and measured. */
export async function restOf(place: Locator): Promise<Box> {
  const seen: string[] = [];
  const rests = async () => seen.unshift(JSON.stringify(await boxOf(place))) > 1 && seen[0] === seen[1];
  await expect.poll(rests).toBe(true);
  return boxOf(place);
}
