import { Worker } from 'bullmq';

// Loaded into a worker before anything else (`node --import`): at SIGUSR2 its BullMQ worker asks for nothing any more, as after a
// reconnection that went wrong, while the process lives on.
/** @type {typeof Worker.prototype.run} */
const run = Reflect.get(Worker.prototype, 'run');
Worker.prototype.run = function () {
  process.once('SIGUSR2', () => void this.pause(true));
  return run.call(this);
};
