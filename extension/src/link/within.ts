/** Waits for a promise for at most `ms` milliseconds: its value, or null if it rejects or is late. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<{ value: T } | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), ms)));
  const given = promise.then(
    (value) => ({ value }),
    () => null,
  );
  try {
    return await Promise.race([given, late]);
  } finally {
    clearTimeout(timer);
  }
}
