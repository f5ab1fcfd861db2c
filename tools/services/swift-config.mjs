import { join } from 'node:path';

/** The secret key of a server on loopback that lives as long as a test run. */
export const SECRET = 'muster-test-only';
const [account, user] = ['muster', 'test'];
/** Swift's access keys are an account and a user. */
export const swiftKey = `${account}:${user}`;

const section = (name, values) =>
  `[${name}]\n${Object.entries(values)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')}`;

/**
 * The configuration files of a one-node Swift with s3api, by name.
 * @param {{folder: string, port: number, region: string, user: string}} place the proxy has `port`, the account, container and
 * object servers the three after it; `user` is who runs them
 */
export function swiftConfiguration({ folder, port, region, user: system }) {
  const common = {
    bind_ip: '127.0.0.1',
    user: system,
    swift_dir: join(folder, 'etc'),
    workers: 0,
    // Nowhere: its only other way is the machine's syslog.
    log_udp_host: '127.0.0.1',
    log_udp_port: 9,
  };
  const files = {
    'swift.conf': [
      section('swift-hash', { swift_hash_path_prefix: 'muster', swift_hash_path_suffix: 'muster' }),
      section('storage-policy:0', { name: 'default', default: 'yes' }),
      section('swift-constraints', { max_meta_value_length: 2048 }),
    ],
  };
  ['account', 'container', 'object'].forEach((name, index) => {
    files[`${name}.conf`] = [
      section('DEFAULT', {
        ...common,
        bind_port: port + 1 + index,
        devices: join(folder, 'data'),
        mount_check: 'false',
        disable_fallocate: 'true',
        log_name: name,
        // A busy disk may hold the container server up; a listing shall know each object that was answered for.
        ...(name === 'object' ? { container_update_timeout: 60 } : {}),
      }),
      section('pipeline:main', { pipeline: `${name}-server` }),
      section(`app:${name}-server`, { use: `egg:swift#${name}` }),
    ];
  });
  files['object.conf'].push(
    section('object-updater', {
      interval: 5,
      concurrency: 1,
      node_timeout: 60,
      recon_cache_path: join(folder, 'data'),
    }),
  );
  const filter = (name, values = {}) => section(`filter:${name}`, { use: `egg:swift#${name}`, ...values });
  files['proxy.conf'] = [
    section('DEFAULT', {
      ...common,
      bind_port: port,
      log_name: 'proxy',
      cors_allow_origin: '*',
      strict_cors_mode: 'false',
    }),
    section('pipeline:main', {
      pipeline:
        'catch_errors gatekeeper proxy_logging cache listing_formats s3api tempauth copy bulk slo dlo versioned_writes symlink proxy-server',
    }),
    filter('catch_errors'),
    filter('gatekeeper'),
    filter('proxy_logging'),
    section('filter:cache', { 'paste.filter_factory': 'swift_node:no_cache' }),
    filter('listing_formats'),
    filter('s3api', { location: region, max_upload_part_num: 10_000, cors_preflight_allow_origin: '*' }),
    filter('tempauth', { [`user_${account}_${user}`]: `${SECRET} .admin` }),
    filter('copy'),
    filter('bulk'),
    filter('slo', { max_manifest_segments: 10_000 }),
    filter('dlo'),
    filter('versioned_writes', { allow_object_versioning: 'true' }),
    filter('symlink'),
    section('app:proxy-server', { use: 'egg:swift#proxy', account_autocreate: 'true', node_timeout: 60 }),
  ];
  return Object.fromEntries(Object.entries(files).map(([name, sections]) => [name, sections.join('\n')]));
}
