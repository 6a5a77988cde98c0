/** Reports to test/run.mjs which adapter a driver gives. It runs in a child process, because drivers may crash. */
import { chooseDriver, probeAdapter } from '../../adapters/driver.mjs';

if (process.env.VK_DRIVER_FILES !== undefined) await chooseDriver(process.env.VK_DRIVER_FILES);
const info = await probeAdapter();
process.send?.({ name: info === null ? null : info.description || info.device || info.vendor });
