-- Put after accounts.lua and before the moves that look at all accounts.

-- Call `visit` for each account in turn.
local function each_account(visit)
  for _, one in ipairs(accounts() and pooled.list() or {{name = 'default'}}) do
    use(one.name)
    visit(one)
  end
  use('default')
end
