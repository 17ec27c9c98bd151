-- The matcher that people build on PostgreSQL: rows are locked, and rows that others have locked are skipped.

CREATE TABLE agents (id int PRIMARY KEY, busy boolean NOT NULL DEFAULT false, idle_since bigserial);
CREATE INDEX ON agents (idle_since) WHERE NOT busy;
CREATE TABLE agent_skills (skill int, agent int REFERENCES agents, level int, PRIMARY KEY (skill, agent));
CREATE INDEX ON agent_skills (agent);
CREATE TABLE kinds (id int PRIMARY KEY, rarest int NOT NULL, skills int[] NOT NULL, levels int[] NOT NULL);
CREATE TABLE contacts (
  id bigserial PRIMARY KEY, kind int NOT NULL REFERENCES kinds, state text NOT NULL, agent int, urgency timestamptz NOT NULL
);
CREATE INDEX ON contacts (kind, urgency) WHERE state = 'queued';

CREATE FUNCTION enqueue(kind_id int, priority int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE asked kinds; found int; contact bigint;
BEGIN
  SELECT * INTO asked FROM kinds WHERE id = kind_id;
  SELECT a.id INTO found FROM agents a JOIN agent_skills s ON s.agent = a.id
    WHERE s.skill = asked.rarest AND NOT a.busy AND NOT EXISTS (
      SELECT FROM unnest(asked.skills, asked.levels) AS term(skill, level)
      WHERE NOT EXISTS (SELECT FROM agent_skills h WHERE h.skill = term.skill AND h.agent = a.id AND h.level >= term.level)
    )
    ORDER BY a.idle_since LIMIT 1 FOR UPDATE OF a SKIP LOCKED;
  IF found IS NOT NULL THEN
    UPDATE agents SET busy = true WHERE id = found;
  END IF;
  INSERT INTO contacts (kind, state, agent, urgency)
    VALUES (kind_id, CASE WHEN found IS NULL THEN 'queued' ELSE 'offered' END, found, now() - priority * interval '1 minute')
    RETURNING id INTO contact;
  RETURN contact;
END $$;

CREATE FUNCTION accept(which bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE contacts SET state = 'connected' WHERE id = which AND state = 'offered'
$$;

CREATE FUNCTION complete(which bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE mine int; following bigint;
BEGIN
  DELETE FROM contacts WHERE id = which AND state = 'connected' RETURNING agent INTO mine;
  IF mine IS NULL THEN RETURN NULL; END IF;
  SELECT c.id INTO following FROM contacts c JOIN kinds k ON k.id = c.kind
    JOIN agent_skills s ON s.skill = k.rarest AND s.agent = mine
    WHERE c.state = 'queued' AND NOT EXISTS (
      SELECT FROM unnest(k.skills, k.levels) AS term(skill, level)
      WHERE NOT EXISTS (SELECT FROM agent_skills h WHERE h.skill = term.skill AND h.agent = mine AND h.level >= term.level)
    )
    ORDER BY c.urgency LIMIT 1 FOR UPDATE OF c SKIP LOCKED;
  IF following IS NULL THEN
    UPDATE agents SET busy = false, idle_since = nextval('agents_idle_since_seq') WHERE id = mine;
  ELSE
    UPDATE contacts SET state = 'offered', agent = mine WHERE id = following;
  END IF;
  RETURN following;
END $$;
