import type { RequestHandler } from 'express';
import helmet from 'helmet';

/** What every answer of the control plane carries. */
export function headers(): RequestHandler {
  const own: RequestHandler = (_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('X-Robots-Tag', 'noindex');
    res.setHeader('Permissions-Policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()');
    next();
  };
  const safe = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"], scriptSrc: ["'self'"], styleSrc: ["'self'"], imgSrc: ["'self'", 'data:'], connectSrc: ["'self'"],
        formAction: ["'self'"], baseUri: ["'none'"], frameAncestors: ["'none'"],
      },
    },
    // With no-referrer a browser would send our own forms with `Origin: null`.
    referrerPolicy: { policy: 'same-origin' }, strictTransportSecurity: false, originAgentCluster: false,
  });
  return (req, res, next) => { own(req, res, () => { safe(req, res, next); }); };
}
