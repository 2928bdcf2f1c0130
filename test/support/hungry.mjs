// Loaded into a process before anything else (`node --import`): at SIGUSR2 it takes memory until Node ends it.
process.once('SIGUSR2', () => {
  for (const hoard = []; ;) hoard.push(Array.from({ length: 10_000 }, (_, n) => ({ n })));
});
