# Finds the credentials that users have beside the identity provider. With leadctl_close it deletes them. No method of
# Odoo tells who has a password, so this code asks the tables.
domain = [('share', '=', False), ('login', '!=', env.context['leadctl_administrator']),
          '|', ('login', 'like', '@'), ('login', '=', env.context.get('leadctl_operator'))]
if env.context.get('leadctl_company'):
    domain.append(('company_id', '=', env.context['leadctl_company']))
users = env['res.users'].search(domain).filtered(lambda u: not u.has_group('base.group_system'))
sources = [
    ('a password', 'SELECT id FROM res_users WHERE password IS NOT NULL AND id IN %s',
     'UPDATE res_users SET password = NULL WHERE id IN %s'),
    ('an API key', 'SELECT user_id FROM res_users_apikeys WHERE user_id IN %s',
     'DELETE FROM res_users_apikeys WHERE user_id IN %s'),
]
if 'auth.passkey.key' in env:
    sources.append(('a passkey', 'SELECT create_uid FROM auth_passkey_key WHERE create_uid IN %s',
                    'DELETE FROM auth_passkey_key WHERE create_uid IN %s'))
found = []
for door, find, close in sources:
    env.cr.execute(find, [tuple(users.ids) or (0,)])
    owners = [line[0] for line in env.cr.fetchall()]
    if owners and env.context.get('leadctl_close'):
        env.cr.execute(close, [tuple(owners)])
    found.extend([{'door': door, 'login': u.login, 'id': u.id} for u in users if u.id in owners])
action = {'type': 'ir.actions.act_window_close', 'infos': {'found': found}}
